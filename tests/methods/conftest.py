"""Every method built from its own config on the tiny seeded CLIP, computing in float64."""

import pytest
import torch
from references import CLASSES, FrozenClip

from plp.config.load import load_config, merge_options
from plp.engine.build import local_seed
from plp.registry import BACKBONES, MODELS


@pytest.fixture(autouse=True)
def lifted(monkeypatch):
    """Lift to float64 where plp lifts half precision to float32.

    `learner.double()` casts all parameters and buffers; what keeps the numbers from being float64
    is only that texts, cosines and losses are lifted with `Tensor.float`, which would lower them,
    and that a few constants are made with torch's default dtype.
    """
    monkeypatch.setattr(torch.Tensor, "float", torch.Tensor.double)
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


@pytest.fixture(scope="session")
def towers(tiny_options):
    """Tiny frozen backbones in float64, one for each way that configs ask for one."""
    built = {}

    def get(backbone):
        key = repr(sorted(backbone.items()))
        if key not in built:
            built[key] = BACKBONES.build(backbone).double()
        return built[key]

    return get


@pytest.fixture
def build(root, tiny_options, towers):
    """Build the learner of `configs/<name>.py`; what it learns is moved away from its start."""

    def builder(name, options=None, class_names=CLASSES, stirred=0.05):
        config = load_config(root / "configs" / f"{name}.py")
        merge_options(config, tiny_options | (options or {}))
        model = config.model.to_dict()
        model["backbone"] = towers(model["backbone"])
        with local_seed(1):
            learner = MODELS.build(model, class_names=tuple(class_names)).eval().double()
        generator = torch.Generator().manual_seed(2)
        with torch.no_grad():
            for parameter in learner.parameters():
                if parameter.requires_grad:
                    noise = torch.randn(parameter.shape, generator=generator, dtype=torch.float64)
                    parameter.add_(stirred * noise)
        return learner

    return builder


@pytest.fixture
def drawn(monkeypatch):
    """What `torch.randint` draws from now on, in order."""
    seen, randint = [], torch.randint

    def spy(*args, **keywords):
        seen.append(randint(*args, **keywords))
        return seen[-1]

    monkeypatch.setattr(torch, "randint", spy)
    return seen


@pytest.fixture
def clip_of():
    """The frozen towers of a learner, as references use them."""
    return lambda learner: FrozenClip(learner.backbone)


@pytest.fixture(scope="session")
def pixels():
    """Three images of noise."""
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (3, 3, 96, 96), dtype=torch.uint8, generator=generator)
