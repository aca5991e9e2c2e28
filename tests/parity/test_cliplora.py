"""CLIP-LoRA against what its published code computes."""

import math

import pytest
import torch
from methods.tower_parity import Case, assert_near, fixture_of
from mmengine.config import ConfigDict

from plp.engine.rates import settled_schedulers
from plp.registry import PARAM_SCHEDULERS

NAMES = {
    f"{side}_{kind}": f"tuners.lora.{side}_{kind}" for side in ("text", "image") for kind in "AB"
}
NO_DROPOUT = {"model.tuners.lora.dropout": 0.0}


@pytest.fixture
def case(tiny_options):
    def build(**options):
        return Case("cliplora_tiny", "cliplora/vitb16_16shot", NAMES, tiny_options | options)

    return build


def test_features_losses_and_gradients(case):
    built = case(**NO_DROPOUT)
    built.assert_features()
    built.assert_losses(loss_global="loss")
    built.assert_gradients()


def test_three_steps(case):
    built = case(**NO_DROPOUT)
    built.assert_three_steps()


def test_the_config_is_that_of_the_fixture(case):
    built = case()
    tuner = built.learner.tuners["lora"]
    assert (tuner.r, tuner.alpha) == (built.meta["r"], built.meta["alpha"])
    assert tuner.scale == pytest.approx(built.meta["scaling_by_running_the_code"], rel=1e-12)
    assert [name.rpartition(".")[2] for name in tuner.places["text"][:3]] == built.meta["matrices"]
    assert tuner.dropout == 0.25


def test_a_wrong_scale_is_noticed(case):
    with pytest.raises(AssertionError, match="off by"):
        case(**NO_DROPOUT, **{"model.tuners.lora.scaling": "alpha/r"}).assert_features()


def test_the_rate_follows_the_published_cosine_by_step(case):
    built = case()
    steps = 10
    section = dict(max_epochs=4, max_steps=steps)
    (settled,) = settled_schedulers(built.config, section, steps=3)
    optimizer = torch.optim.AdamW([torch.nn.Parameter(torch.zeros(1))], lr=built.meta["lr"])
    scheduler = PARAM_SCHEDULERS.build(ConfigDict(settled), optimizer=optimizer)
    rates = []
    for _ in range(steps):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    expected = fixture_of("cliplora_tiny").arrays["lr_schedule"]
    assert_near(torch.tensor(rates, dtype=torch.float64), expected, "lr_schedule", 1e-6)
    assert math.isclose(rates[0], 2e-4)
