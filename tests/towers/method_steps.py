"""A method from its own config on a backbone: it fits, takes steps, and predicts; or is refused."""

import math

import pytest
import torch
from small_towers import fitting

from plp.config.load import load_config, merge_options
from plp.engine.build import local_seed
from plp.errors import ConfigError
from plp.registry import MODELS
from plp.structures import Shots
from plp.towers.tower import BlockTower

NAMES = ("ox", "kite (bird)", "great grey owl")
LABELS = torch.tensor([0, 1, 2, 0, 1, 2])
STREAMS = {"sotglp": "vv", "gallop": "value", "plot": "tokens", "locoop": "value"}
METHODS = (
    "zeroshot", *STREAMS, "coop", "kgcoop", "prograd", "cocoop", "clip_adapter", "taskres",
    "tip_adapter", "tip_adapter_f", "linear_probe", "zslp", "clap", "lpplus", "mma", "mmrl", "tcp",
    "vpt", "ivlp", "maple", "promptsrc", "plotpp", "cliplora", "twostage", "prolip",
)  # fmt: skip
WITHOUT_TEXTS = ("linear_probe", "tip_adapter", "tip_adapter_f")
NOTHING_LEARNED_BY_STEPS = ("zeroshot", "tip_adapter", "linear_probe", "lpplus")
_GRIDS = {"model.branches.cache.alpha_grid": (5.0, 4), "model.branches.cache.beta_grid": (5.0, 4)}
SMALL = {  # the smallest maps have four places, the smallest texts 30; and a coarse search
    "promptsrc": {"model.references.teacher.prompt.templates": "one"},
    "sotglp": {"model.branches.local.selector.k": 2},
    "gallop": {"model.branches.local.selector.k": (1, 2, 3, 4)},
    "tip_adapter": _GRIDS,
    "tip_adapter_f": _GRIDS,
}
BOTH = ("image", "text")
INSIDE = {  # towers that something must act in, between blocks
    "mma": BOTH, "mmrl": BOTH, "tcp": ("text",), "ivlp": BOTH, "maple": BOTH, "promptsrc": BOTH,
    "vpt": ("image",), "plotpp": ("image",),
}  # fmt: skip
ON_WEIGHTS = ("cliplora", "twostage")  # of blocks or not, but of towers with names for them
STEPS, LENGTH = 3, 1e-2


def blocks_of(backbone, side):
    """Return how many blocks of a tower something can act between; 0 where it cannot."""
    try:
        tower = backbone.inside(side)
    except ConfigError:
        return 0
    return len(tower.layers()) if isinstance(tower, BlockTower) else 0


def has_inside(backbone, side):
    """Whether a tower's matrices and norms have names."""
    try:
        backbone.inside(side)
    except ConfigError:
        return False
    return True


def images_for(backbone):
    """Return noise of several shades: noise of one is alike to a mean over a random map."""
    generator = torch.Generator().manual_seed(3)
    noise = torch.rand(len(LABELS), 3, *backbone.image_size, generator=generator)
    shades = torch.linspace(0.3, 1.0, len(LABELS))[:, None, None, None]
    return (255 * shades * noise).to(torch.uint8)


def learner_of(config, backbone, method):
    config = load_config(config)
    blocks = min((blocks_of(backbone, side) for side in INSIDE.get(method, ())), default=0)
    merge_options(config, SMALL.get(method, {}) | fitting(method, max(blocks, 1)))
    model = config.model.to_dict() | {"backbone": backbone}
    with local_seed(1):
        return MODELS.build(model, class_names=NAMES)


def check_method(config, backbone, method):
    """See a method learn and predict, or its reason why it cannot have its stream."""
    stream = STREAMS.get(method)
    if stream is not None and stream not in backbone.streams:
        with pytest.raises(ConfigError, match=refusal(stream, backbone.streams)):
            learner_of(config, backbone, method)
        return
    if not all(blocks_of(backbone, side) for side in INSIDE.get(method, ())):
        with pytest.raises(ConfigError, match=r"the (image|text) tower(:| is run as a whole)"):
            learner_of(config, backbone, method)
        return
    if method in ON_WEIGHTS and not all(has_inside(backbone, side) for side in BOTH):
        with pytest.raises(ConfigError, match="nothing can act inside it"):
            learner_of(config, backbone, method)
        return
    try:
        learner, images = learner_of(config, backbone, method), images_for(backbone)
    except ConfigError as error:
        if method != "prolip" or "TrainableProjection learns the" not in str(error):
            raise
        return
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
