"""A warm-up by its rate: mmengine's factor of it follows from the rate of the run."""

import pytest
from mmengine.config import Config

from plp.config.choices import Choices
from plp.config.load import choose, load_config, merge_options
from plp.config.rates import schedulers_of
from plp.config.start_rate import settle_start_rates, with_factor
from plp.errors import ConfigError

WARM = dict(type="ConstantLR", start_rate=1e-5, by_epoch=True, end=2)
FACTORS = {  # as they stood in the configs, by rate
    0.002: 0.005,
    0.0035: 1e-5 / 0.0035,
    0.0026: 1e-5 / 0.0026,
    0.0025: 1e-5 / 0.0025,
    0.001: 0.01,
    0.0002: 0.05,
    0.1: 1e-4,
}


def _recipes(config):
    """Every recipe of a config, and none."""
    found = {"none": {}, **(config.get("recipes") or {}), **(config.get("shot_recipes") or {})}
    keys = ("optim_wrapper", "param_scheduler", "train_cfg")
    for name, recipe in found.items():
        yield name, {k: v for k, v in recipe.items() if k.split(".")[0] in keys}


def test_every_config_warms_up_at_the_published_rate(root):
    warm = 0
    for path in sorted((root / "configs").glob("*/*.py")):
        if path.parent.name == "_base_":
            continue
        for name, recipe in _recipes(load_config(path)):
            config = load_config(path)
            merge_options(config, recipe)
            for schedule in schedulers_of(config):
                assert "start_rate" not in schedule
                if schedule["type"] == "ConstantLR":
                    rate = config.optim_wrapper.optimizer.lr
                    assert schedule["factor"] == FACTORS[rate], (path, name)  # bit for bit
                    warm += 1
    assert warm > 100


def test_a_run_keeps_the_factor_and_follows_the_flag():
    config, *_ = choose(load_config("maple"), Choices(dataset="textile", lr=0.1))
    assert config.param_scheduler[0] == dict(type="ConstantLR", factor=1e-4, by_epoch=True, end=2)
    config, *_ = choose(
        load_config("maple"),
        Choices(dataset="textile", options={"param_scheduler.0.factor": 0.5}),
    )
    assert config.param_scheduler[0].factor == 0.5  # what is asked for wins


def test_one_schedule_and_rates_below_the_start():
    config = Config(dict(param_scheduler=dict(WARM), optim_wrapper=dict(optimizer=dict(lr=1e-6))))
    settle_start_rates(config)
    assert config.param_scheduler == dict(type="ConstantLR", factor=1.0, by_epoch=True, end=2)
    assert with_factor(WARM, 0)["factor"] == 1.0
    linear = with_factor(dict(type="mmengine.LinearLR", start_rate=0.1, end=9), 1.0)
    assert linear == dict(type="mmengine.LinearLR", start_factor=0.1, end=9)
    assert schedulers_of(Config(dict(param_scheduler=WARM)))  # nothing is trained


@pytest.mark.parametrize(
    ("schedule", "rate", "told"),
    [
        (dict(type="CosineAnnealingLR", start_rate=1e-5), 0.1, "is for ConstantLR and LinearLR"),
        (WARM | dict(start_rate=0), 0.1, "start_rate of ConstantLR to be a number above 0, got 0"),
        (WARM | dict(start_rate="x"), 0.1, "above 0, got 'x'"),
        (WARM, None, "needs optim_wrapper.optimizer.lr, got None"),
    ],
)
def test_what_is_refused(schedule, rate, told):
    with pytest.raises(ConfigError, match=told):
        with_factor(schedule, rate)
