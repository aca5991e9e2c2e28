"""Runs whose length is in steps, and stages: where they end, begin, go on when resumed."""

import json

import pytest
import torch
from mmengine.config import Config
from representatives import slow_but
from stop_hook import StoppedError
from tiny_runs import make_photos

from plp.config.choices import Choices
from plp.config.length import check_length, lengths_of, with_length
from plp.config.rates import settled_schedulers
from plp.engine.train import train
from plp.errors import ConfigError


def config_of(**section):
    return Config(dict(train_cfg=section, param_scheduler=[dict(type="CosineAnnealingLR")]))


def test_steps_per_shot_make_epochs_of_which_the_last_ends_early():
    section = with_length(config_of(steps_per_shot=500), shots=4, steps=7).train_cfg
    assert (section.max_epochs, section.max_steps) == (286, 2000)
    assert section.val_interval == 29
    assert section.type == "StagedTrainLoop"
    config = config_of(max_epochs=3)
    assert with_length(config, 4, 7) is config


def test_epochs_that_are_given_count_instead():
    section = with_length(
        config_of(steps_per_shot=500, max_epochs=3, by_epoch=True), 4, 7
    ).train_cfg
    assert dict(section) == dict(type="StagedTrainLoop", max_epochs=3)


def test_stages_are_shares_of_the_steps():
    config = config_of(steps_per_shot=300, stages=(0.6, 0.4))
    assert with_length(config, 1, 7).train_cfg.stages == [180, 120]
    assert with_length(config_of(max_epochs=3, stages=[0.6, 0.4]), 1, 7).train_cfg.stages == [12, 9]
    assert lengths_of((0.6, 0.4), 4800) == [2880, 1920]


@pytest.mark.parametrize(
    ("section", "message"),
    [
        (dict(steps_per_shot=0), "steps_per_shot to be an integer >= 1, got 0"),
        (dict(steps_per_shot=True), "steps_per_shot"),
        (dict(stages=(0.6, 0.5)), r"add up to 1, such as \(0.6, 0.4\), got \(0.6, 0.5\)"),
        (dict(stages=0.6), "shares of the stages"),
        (dict(stages=(1.2, -0.2)), "shares of the stages"),
        (dict(stages=()), "shares of the stages"),
    ],
)
def test_what_is_no_length_is_refused(section, message):
    with pytest.raises(ConfigError, match=message):
        check_length(section)


def test_periods_of_stages_need_stages():
    config = Config(
        dict(param_scheduler=[dict(type="CosineRestartLR", by_epoch=False, periods="stages")])
    )
    with pytest.raises(ConfigError, match=r"needs train_cfg\.stages"):
        settled_schedulers(config, dict(max_epochs=2), steps=3)


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    return make_photos(tmp_path_factory.mktemp("photos"), dict.fromkeys(("ant", "bee", "cat"), 6))


@pytest.fixture
def run(root, photos, tiny_options, tmp_path):
    """Train 2SFS on three batches an epoch: eight steps, of which the sixth begins stage 2."""

    def call(name, stop=None, resume=False):
        options = tiny_options | {
            "data.num_workers": 0, "data.batch_size": 2, "save_seconds": 0.0, "report": False,
            "train_cfg.steps_per_shot": 4, "train_cfg.stages": (0.65, 0.35),
        }  # fmt: skip
        if stop is not None:
            options["custom_imports"] = dict(imports=["stop_hook"])
            options["custom_hooks"] = [dict(type="StopHook", epoch=stop)]
        path = root / "configs/twostage/vitb16_16shot.py"
        choices = Choices("folder", str(photos), shots=2, options=options)
        return train(path, choices, work_dir=tmp_path / name, resume=resume, device="cpu").result

    return call


def test_a_run_ends_at_its_step_in_its_second_stage(run, tmp_path, caplog):
    caplog.set_level("INFO", "plp")
    result = run("whole")
    assert (result["epochs"], result["steps"]) == (3, 8)
    assert "step 6: stage 2 begins, global: 3 rows started at the texts" in caplog.text
    rows = [json.loads(line) for line in (tmp_path / "whole/curves.jsonl").read_text().splitlines()]
    assert len(rows) == 3
    assert rows[0]["lr"] == pytest.approx(2e-4)
    assert "branches.global.classifier" in result["learned_parameters"]


@pytest.mark.parametrize("epoch", slow_but((2,), (1, 2)))  # in the first stage, in the second
def test_a_run_that_was_cut_off_ends_as_the_unbroken_one(run, tmp_path, epoch):
    expected = run("whole")
    with pytest.raises(StoppedError):
        run("cut", stop=epoch)
    result = run("cut", resume=True)
    assert result["accuracy"] == expected["accuracy"]
    from plp.checkpoints.checkpoint import load_checkpoint

    one, other = (load_checkpoint(tmp_path / name).state for name in ("cut", "whole"))
    assert one.keys() == other.keys()
    assert all(torch.equal(value, other[name]) for name, value in one.items())
    assert one["branches.global.started"]
