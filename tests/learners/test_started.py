"""Images that are encoded up to the first tuned block once: the same as from their pixels."""

import pytest
import torch
from learners.one_step import built, step
from learners.own_tuner import OwnTuner
from torch import nn
from torch.testing import assert_close

from plp.datasets.kept_tensors import KeptTensors
from plp.errors import ConfigError
from plp.learners.started import first_tuned_block
from plp.structures import ImageFeatures, ImagePrefix, StartedImages
from plp.towers.points import ExtraTokens, TowerPoints
from plp.tuners import Tuner


class From(Tuner):
    """A token in front of a block of the image tower; behind the last, an update of the norm."""

    acts_on_images = True

    def __init__(self, backbone, block):
        super().__init__()
        inside = backbone.inside("image")
        self.block, self.blocks = block, len(inside.layers())
        width = inside.width
        self.token = nn.Parameter(torch.randn(1, width, generator=torch.Generator().manual_seed(1)))

    def image_points(self):
        if self.block == self.blocks:
            return TowerPoints(weights={"norm_post.bias": self.token[0]})
        return TowerPoints({"own": ExtraTokens({self.block: self.token})})


@pytest.fixture
def build(root, backbone):
    def builder(name, tuner, options=None):
        return built(root, backbone, f"{name}/vitb16_16shot", options, tuners={"own": tuner})

    return builder


def tuners(backbone):
    blocks = len(backbone.inside("image").layers())
    return [OwnTuner(backbone, dropout=0.5), *(From(backbone, b) for b in (1, blocks))]


@pytest.mark.parametrize("method", ["coop", "sotglp", "gallop", "locoop"])
@pytest.mark.parametrize("which", [0, 1, 2])
def test_losses_gradients_and_predictions_are_those_of_pixels(
    build, backbone, pixels, method, which
):
    learner = build(method, tuners(backbone)[which])
    started = learner.keep_image(pixels)
    assert isinstance(started, StartedImages)
    assert isinstance(started.start, ImagePrefix)
    losses, grads = step(learner, pixels)
    again, found = step(learner, started)
    assert_close(again, losses, rtol=1e-6, atol=1e-6)
    assert any(name.startswith("tuners.own.") for name in grads)
    for name, grad in grads.items():
        assert_close(found[name], grad, rtol=1e-5, atol=1e-6, msg=name)
    learner.eval()
    kept = learner.keep_image(pixels, references=True)
    for one, other in zip(learner.predict(kept), learner.predict(pixels), strict=True):
        assert one.keys() == other.keys()
        for name, value in one.items():
            assert_close(value, other[name], rtol=1e-5, atol=1e-5, msg=name)


def test_the_first_block_that_any_tuner_reaches_counts(build, backbone):
    blocks = len(backbone.inside("image").layers())
    for block in range(blocks + 1):
        learner = build("coop", From(backbone, block))
        assert first_tuned_block(backbone, learner.tuners) == block


def test_with_no_block_in_front_features_of_the_frozen_tower_are_kept(build, backbone, pixels):
    learner = build("coop", From(backbone, 0)).eval()
    kept = learner.keep_image(pixels, references=True)
    assert isinstance(kept, ImageFeatures)
    assert_close(kept.pooled, backbone.encode_image(backbone.normalise(pixels)).pooled)
    together = StartedImages(pixels, kept)
    for one, other in zip(learner.predict(together), learner.predict(pixels), strict=True):
        assert_close(one, other)


def test_bf16_too(build, backbone, pixels):
    learner = build("sotglp", OwnTuner(backbone), {"model.precision": "bf16"})
    expected, _ = step(learner, pixels)
    found, _ = step(learner, learner.keep_image(pixels))
    assert_close(found, expected, rtol=1e-5, atol=1e-5)


def test_a_tuner_that_comes_to_act_further_in_front_is_told(build, backbone, pixels):
    learner = build("coop", From(backbone, 2 if len(backbone.inside("image").layers()) > 1 else 1))
    started = learner.keep_image(pixels)
    learner.tuners["own"].block = 0
    with pytest.raises(ConfigError, match=r"kept in front of block 2 .* act on block 0"):
        learner(started)


def test_rows_and_moves_keep_everything(build, backbone, pixels):
    learner = build("sotglp", OwnTuner(backbone))
    started = learner.keep_image(pixels, references=True)
    tensors = KeptTensors.of(started)
    assert {"pooled", "prefix.tokens", "prefix.dense.vv"} <= set(tensors.tensors)
    whole = tensors.images()
    assert whole.start.block == started.start.block
    second = whole.rows([1]).to(torch.float64)
    assert second.start.tokens.dtype == torch.float64
    assert_close(second.start.tokens.float()[0], started.start.tokens[1])
    assert_close(second.start.dense["vv"].float()[0], started.start.dense["vv"][1])
    assert_close(second.untuned.pooled.float()[0], started.frozen.pooled[1])
