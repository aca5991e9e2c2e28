"""Blocks that are computed again in the backward pass: same losses and gradients, less memory."""

import pytest
import torch
from learners.one_step import built, step
from learners.own_tuner import OwnTuner
from torch.testing import assert_close
from unchecked import as_installed

from plp.errors import ConfigError
from plp.testing.tensor_bytes import PeakTensorBytes
from plp.towers.low_rank import LowRankUpdate
from plp.towers.points import ExtraTokens, TowerPoints
from plp.towers.text_encoder import TextEncoder

OWN = dict(type="OwnTuner", dropout=0.5)


@pytest.fixture
def build(root, backbone):
    def builder(name, checkpoint, options=None, tuners=None):
        tuners = dict(own=OWN) if tuners is None else tuners
        more = dict(tuners=tuners, checkpoint_blocks=checkpoint)
        return built(root, backbone, f"{name}/vitb16_16shot", options, **more)

    return builder


@pytest.mark.parametrize("method", ["coop", "sotglp", "gallop", "locoop"])
@pytest.mark.parametrize("options", [{}, {"model.precision": "bf16"}, {"model.text_chunk": 2}])
def test_same_losses_and_gradients_dropout_included(build, pixels, method, options):
    """Bit for bit: what is computed again is computed by the same operations."""
    losses, grads = step(build(method, False, options), pixels)
    again, found = step(build(method, True, options), pixels)
    assert all(torch.equal(again[name], loss) for name, loss in losses.items())
    assert any(name.startswith("tuners.") for name in grads)
    for name, grad in grads.items():
        assert_close(found[name], grad, rtol=1e-6, atol=1e-7, msg=name)


@pytest.mark.parametrize("side", ["image", "text"])
def test_a_block_and_its_input_are_all_that_is_held(side):
    """With 6 equal blocks the peak of the tensors of a pass and its gradient falls below half."""
    from plp.backbones import OpenCLIPBackbone

    tower = dict(width=64, layers=6)
    config = dict(
        embed_dim=32,
        vision_cfg=dict(**tower, image_size=32, patch_size=4, head_width=32),
        text_cfg=dict(**tower, heads=2),
    )
    backbone = OpenCLIPBackbone("tiny", None, model_config=config)
    token = torch.randn(1, 64, requires_grad=True)

    def peak(checkpoint):
        points = TowerPoints({"one": ExtraTokens({0: token})}, checkpoint_blocks=checkpoint)
        with PeakTensorBytes() as used:
            if side == "image":
                out = backbone.encode_image(torch.ones(8, 3, 32, 32), (), points).pooled
            else:
                embeddings, end = torch.ones(8, 1, 60, 64), torch.full((8, 1), 59)
                out = backbone.text_tower.encode(embeddings, end, 0, points)
            (grad,) = torch.autograd.grad(out.sum(), token)
        return used.peak, grad

    (whole, expected), (least, found) = peak(False), peak(True)
    assert least < whole / 2
    assert_close(found, expected)


def test_what_is_not_computed_by_blocks_is_refused():
    class Whole(TextEncoder):
        network = module = torch.nn.Linear(2, 2)

        def features(self, module, embeddings, seen):
            raise NotImplementedError

    points = TowerPoints(
        updates={"projection": LowRankUpdate(torch.ones(1, 2), torch.ones(2, 1))},
        checkpoint_blocks=True,
    )
    with pytest.raises(ConfigError, match="runs its Linear as a whole"):
        Whole().at(points)


@pytest.mark.parametrize(
    ("checkpoint", "tuners", "message"),
    [
        (True, {}, "the model has no tuners"),
        ("yes", {"own": OWN}, "expected checkpoint_blocks True or False, got 'yes'"),
    ],
)
def test_what_it_cannot_be(build, checkpoint, tuners, message):
    assert OwnTuner.acts_on_images
    with as_installed(), pytest.raises(ConfigError, match=message):
        build("coop", checkpoint, tuners=tuners)
