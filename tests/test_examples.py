"""The example of a component of a user's own: it is found, obeys the laws, and trains."""

import sys

import pytest
import torch
from torch.testing import assert_close

import plp
from plp.aligners import MaxSimAligner, MeanAligner
from plp.errors import ConfigError
from plp.registry import ALIGNERS
from plp.testing.aligner_laws import ALIGNER_LAWS

MODULE, NAME = "attention_aligner", "AttentionAligner"


@pytest.fixture
def config(root, monkeypatch):
    """The example's config; the registry and the import path are put back afterwards."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    ALIGNERS.names()
    yield root / "examples" / "custom_component" / "lite_16shot_attention.py"
    ALIGNERS.module_dict.pop(NAME, None)
    sys.modules.pop(MODULE, None)


@pytest.fixture
def aligner(config, monkeypatch):
    """The user's class, imported as a user's file is."""
    monkeypatch.syspath_prepend(str(config.parent))
    __import__(MODULE)
    return ALIGNERS.get(NAME)


def test_it_is_no_part_of_the_package(config):
    assert NAME not in ALIGNERS.names()
    with pytest.raises(ConfigError, match=f"'{NAME}' is not registered.*custom_imports"):
        ALIGNERS.build(dict(type=NAME))


def test_the_config_finds_it_and_a_step_trains_it(config, tiny_options):
    tiny = {key.rpartition(".")[2]: value for key, value in tiny_options.items()}
    options = {
        "model.backbone": dict(_delete_=True, type="OpenCLIPBackbone", quick_gelu=True, **tiny),
        "model.branches.local.stream": "vv",
    }
    learner = plp.build_learner(config, ["cat", "red car"], cfg_options=options).train()
    assert type(learner.branches["local"].aligner).__module__ == MODULE
    images = torch.randint(0, 256, (2, 3, 96, 96), dtype=torch.uint8)
    labels = torch.tensor([0, 1])
    features = learner.encode_image(images)
    optimiser = torch.optim.SGD([p for p in learner.parameters() if p.requires_grad], lr=1e-3)
    losses = []
    for _ in range(3):
        loss = learner(features, labels, mode="loss")["loss_local"]
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
    assert losses[2] < losses[1] < losses[0]


@pytest.mark.parametrize("law", ALIGNER_LAWS)
def test_it_obeys_the_laws_of_aligners(aligner, law):
    ALIGNER_LAWS[law](aligner(), max_examples=10, derandomize=True)


def test_its_limits(aligner):
    similarity = torch.randn(2, 5, 3, generator=torch.Generator().manual_seed(0))
    assert_close(aligner(1e-4)(similarity), MaxSimAligner()(similarity))
    assert_close(aligner(1e6)(similarity), MeanAligner()(similarity), atol=1e-5, rtol=0)


@pytest.mark.parametrize("temperature", [0.0, -1.0])
def test_refused(aligner, temperature):
    with pytest.raises(ConfigError, match="expected a temperature above 0"):
        aligner(temperature)
