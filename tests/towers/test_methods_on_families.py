"""Every method, built from its own config, trains and predicts on the smallest of each family."""

import math

import pytest
import torch
from representatives import slow_but
from towers.family_cases import FAMILIES, FEW, SIDE, build_family

from plp.engine.build import local_seed
from plp.engine.config import load_config, merge_options
from plp.errors import ConfigError
from plp.registry import MODELS
from plp.structures import Shots

NAMES = ("ox", "kite (bird)", "great grey owl")
STREAMS = {"sotglp": "vv", "gallop": "value", "plot": "tokens", "locoop": "value"}
METHODS = (
    "zeroshot", *STREAMS, "coop", "kgcoop", "cocoop", "clip_adapter", "taskres", "tip_adapter",
    "tip_adapter_f", "linear_probe", "zslp", "clap", "lpplus",
)  # fmt: skip
NOTHING_LEARNED_BY_STEPS = ("zeroshot", "tip_adapter", "linear_probe", "lpplus")
_GRIDS = {"model.branches.cache.alpha_grid": (5.0, 4), "model.branches.cache.beta_grid": (5.0, 4)}
SMALL = {  # the smallest maps have four places; and a coarse search
    "sotglp": {"model.branches.local.selector.k": 2},
    "gallop": {"model.branches.local.selector.k": (1, 2, 3, 4)},
    "tip_adapter": _GRIDS,
    "tip_adapter_f": _GRIDS,
}
STEPS, LENGTH = 3, 1e-2


@pytest.fixture(scope="module", params=slow_but(FEW, FAMILIES))
def backbone(request, tmp_path_factory):
    return build_family(request.param, tmp_path_factory.mktemp("family"))


@pytest.fixture(scope="module")
def images():
    generator = torch.Generator().manual_seed(3)
    return torch.randint(0, 256, (6, 3, SIDE, SIDE), dtype=torch.uint8, generator=generator)


LABELS = torch.tensor([0, 1, 2, 0, 1, 2])


@pytest.fixture
def learn(root, backbone):
    def build(method):
        config = load_config(root / "configs" / method / "vitb16_16shot.py")
        merge_options(config, SMALL.get(method, {}))
        model = config.model.to_dict() | {"backbone": backbone}
        with local_seed(1):
            return MODELS.build(model, class_names=NAMES)

    return build


@pytest.mark.parametrize("method", METHODS)
def test_method_learns_and_predicts(learn, backbone, images, method):
    stream = STREAMS.get(method)
    if stream is not None and stream not in backbone.streams:
        with pytest.raises(ConfigError, match=refusal(stream, backbone.streams)):
            learn(method)
        return
    learner = learn(method)
    fit(learner, images)
    losses = steps(learner.train(), images)
    assert bool(losses) is (method not in NOTHING_LEARNED_BY_STEPS)
    assert all(map(math.isfinite, losses))
    if losses:
        assert losses[-1] < losses[0]
    predictions = learner.eval().predict(images)
    for row in predictions:
        assert row["logits"].shape == (len(NAMES),)
        assert bool(row["logits"].isfinite().all())
    assert len({round(float(row["logits"].std()), 6) for row in predictions}) > 1


def test_a_method_without_its_stream_is_refused_somewhere():
    assert {"ConvNeXt", "Swin", "MobileCLIP2", "CLIP, ResNet"} < set(FAMILIES)


def refusal(stream, streams):
    has = ", ".join(map(repr, streams))
    return rf"asks for a dense stream: .* no dense stream '{stream}': \w.*Its dense streams: {has}"


def fit(learner, images):
    """Show the shots to what is computed from them, and tune on the same images."""
    pooled = learner.encode_image(images).pooled
    shots = Shots(pooled[None], LABELS)
    if learner.needs_shots:
        assert learner.fit(shots, shots)
    if learner.needs_tuning:
        assert learner.tune(shots)


def steps(learner, images):
    """Take short steps along the gradient; return the losses, of the same random draws."""
    learned = [parameter for parameter in learner.parameters() if parameter.requires_grad]
    losses = []
    for _ in range(STEPS if learned else 0):
        torch.manual_seed(0)
        terms = learner(images, LABELS, mode="loss")
        loss = sum(terms.values())
        grads = torch.autograd.grad(loss, learned)
        size = math.sqrt(sum(float(grad.square().sum()) for grad in grads))
        assert size > 0
        with torch.no_grad():
            for parameter, grad in zip(learned, grads, strict=True):
                parameter.sub_(LENGTH / size * grad)
        losses.append(loss.item())
    return losses
