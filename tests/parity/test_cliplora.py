"""CLIP-LoRA against what its published code computes."""

import math

import pytest
import torch
from methods.tower_parity import ROOT, Case, assert_near, fixture_of
from mmengine.config import ConfigDict

from plp.config.load import load_config
from plp.config.rates import settled_schedulers
from plp.registry import PARAM_SCHEDULERS

NAMES = {
    f"{side}_{kind}": f"tuners.lora.{side}_{kind}" for side in ("text", "image") for kind in "AB"
}
TUNER = "model.tuners.lora"
TEMPLATES = "model.branches.global.prompt.templates"


def case(dropout=0.0, **keywords):
    """The method at the sizes of the fixture; `keywords` of the tuner go before these."""

    def options(meta):
        found = {key: meta[key] for key in ("r", "matrices")}
        found |= {"alpha": float(meta["alpha"]), "dropout": dropout} | keywords
        return {f"{TUNER}.{key}": value for key, value in found.items()} | {
            TEMPLATES: [meta["template"]]
        }

    return Case("cliplora_tiny", "cliplora/vitb16_16shot", NAMES, options)


def test_features_losses_and_gradients():
    built = case()
    built.assert_features()
    built.assert_losses(loss_global="loss")
    built.assert_gradients()


def test_three_steps():
    case().assert_three_steps()


def test_the_scale_is_that_of_the_published_code():
    built = case()
    tuner = built.learner.tuners["lora"]
    assert tuner.scale == pytest.approx(built.meta["scaling_by_running_the_code"], rel=1e-12)


def test_the_config_is_the_published_one():
    lora = load_config(ROOT / "configs/cliplora/vitb16_16shot.py").model.tuners.lora
    assert (lora.r, lora.alpha, lora.scaling, lora.dropout) == (2, 1, "alpha/sqrt(r)", 0.25)
    assert list(lora.matrices) == ["q", "k", "v"]


def test_a_wrong_scale_is_noticed():
    built = case(scaling="alpha/r")
    if built.meta["r"] == 1:
        pytest.skip("with rank 1 both scales are the same")
    with pytest.raises(AssertionError, match="off by"):
        built.assert_features()


def test_the_rate_follows_the_published_cosine_by_step():
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
