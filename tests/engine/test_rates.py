"""Rates of a run: never stuck at a warm-up's, and shown as they trained."""

import json
import math
from functools import partial

import pytest
from mmengine.config import Config
from tiny_runs import read_result

from plp.config.rates import check_restored, rate_notes
from plp.config.schedule import check_schedules
from plp.engine import train as training
from plp.errors import ConfigError
from plp.hooks import ProgressHook


def config(*schedulers, lr=0.002):
    return Config(
        dict(
            optim_wrapper=dict(optimizer=dict(type="SGD", lr=lr)),
            param_scheduler=list(schedulers),
        )
    )


@pytest.mark.parametrize(
    ("scheduler", "end"),
    [
        (dict(type="ConstantLR", factor=0.005, end=1), 2),
        (dict(type="ConstantLR", factor=0.005, end=1, by_epoch=False), 2),
        (dict(type="LinearLR", start_factor=0.1, end=1), 2),
        (dict(type="LinearLR", start_factor=0.1, begin=3, end=4), 5),
        (dict(type="mmengine.ConstantLR", begin=2, end=3), 4),
        (dict(type="LinearMomentum", end=1), 2),
        (dict(type="ConstantParamScheduler", param_name="lr", end=1), 2),
    ],
)
def test_what_is_never_undone_is_refused(scheduler, end):
    with pytest.raises(ConfigError, match=rf"for the rest of the run: .* write end={end}$"):
        check_schedules(config(dict(type="CosineAnnealingLR", by_epoch=True), scheduler))
    check_schedules(config(scheduler | dict(end=end)))
    assert not rate_notes(config(scheduler | dict(end=end)), epochs=8, steps=3)


@pytest.mark.parametrize(
    "scheduler",
    [
        dict(type="CosineAnnealingLR", T_max=1),
        dict(type="ConstantLR", factor=0.5),
        dict(type="LinearLR", start_factor=0.1, end=5),
        dict(type="StepLR", step_size=1, end=1),
        dict(type="Unheard", end=1),
        dict(end=1),
    ],
)
def test_others_are_not(scheduler):
    check_schedules(config(scheduler))


def test_epochs_turned_into_steps_count_as_steps():
    warm_up = config(dict(type="LinearLR", start_factor=0.1, end=1, convert_to_iter_based=True))
    check_restored(warm_up)
    check_restored(warm_up, steps=7)
    with pytest.raises(ConfigError, match="write end=2"):
        check_restored(warm_up, steps=1)
    assert not rate_notes(warm_up, epochs=3, steps=7)


@pytest.mark.parametrize(
    "scheduler",
    [
        dict(type="ConstantLR", factor=0.005, end=2),  # of a run of one epoch
        dict(type="ConstantLR", factor=0.005),
        dict(type="LinearLR", start_factor=0.005, end=9),
        dict(type="ConstantLR", factor=0.005, by_epoch=False, end=50),
    ],
)
def test_a_run_that_never_leaves_its_warm_up_says_so(scheduler):
    (note,) = rate_notes(config(scheduler), epochs=1, steps=7)
    assert "at most 1e-05 in this run, 0.5 % of optim_wrapper.optimizer.lr=0.002" in note


def test_epochs_without_a_rate_are_counted():
    (note,) = rate_notes(config(dict(type="PolyLR", end=4)), epochs=10, steps=2)
    assert note.startswith("7 of 10 epochs train at a learning rate of 0")
    assert not rate_notes(config(dict(type="CosineAnnealingLR")), epochs=10, steps=2)
    assert not rate_notes(config(), epochs=10, steps=2)


def test_the_published_recipe_is_said_to_warm_up_only_where_it_does(root):
    published = Config.fromfile(root / "configs/coop/vitb16_16shot.py")
    assert not rate_notes(published, epochs=50, steps=3)
    assert "its warm-up takes as long as the run" in rate_notes(published, epochs=1, steps=3)[0]


SCHEDULE = (
    "param_scheduler = [dict(type='ConstantLR', factor=0.1, end=2), "
    "dict(type='CosineAnnealingLR', begin=1, T_max='max_epochs')]\n"
)
RATES = [0.005] + [0.05 * (1 + math.cos(math.pi * e / 4)) / 2 for e in range(3)]


def curves(folder):
    return [json.loads(line) for line in (folder / "curves.jsonl").read_text().splitlines()]


def test_curves_and_lines_show_the_rate_that_an_epoch_trained_with(
    train_tool, config_with, tmp_path, monkeypatch
):
    monkeypatch.setattr(training, "ProgressHook", partial(ProgressHook, every=0.0))  # every step
    ended = train_tool(config=config_with(SCHEDULE))
    assert ended.status == 0, ended.err
    assert [row["lr"] for row in curves(tmp_path / "work")] == pytest.approx(RATES)
    lines = [line.split("lr ")[1].split()[0] for line in ended.out.splitlines() if " lr " in line]
    assert {float(rate) for rate in lines} == {float(f"{rate:.2g}") for rate in RATES}
    assert not any("learning rate" in note for note in read_result(tmp_path / "work")["notes"])


def test_refused_before_anything_is_read(train_tool, config_with, tmp_path):
    ended = train_tool(config=config_with("param_scheduler = dict(type='ConstantLR', end=1)\n"))
    assert "ConstantLR with begin=0, end=1" in ended.told()
    assert not (tmp_path / "work").exists()


@pytest.mark.parametrize(
    ("schedulers", "words"),
    [
        ("ConstantLR", "expected param_scheduler to be dicts with a type, got 'ConstantLR'"),
        ([3], "expected param_scheduler to be dicts with a type, got 3"),
        ([dict(type="LinearLR", begin=-1, end=1)], "begin of LinearLR .* number >= 0, got -1"),
        ([dict(type="LinearLR", begin="1")], "begin of LinearLR .* number >= 0, got '1'"),
    ],
)
def test_what_is_no_schedule_is_refused_before_anything_is_built(schedulers, words):
    with pytest.raises(ConfigError, match=words):
        check_schedules(Config(dict(param_scheduler=schedulers)))


@pytest.mark.parametrize(
    "scheduler",
    [
        dict(type="OneCycleLR", eta_max=0.1, total_steps=2, by_epoch=False),
        dict(type="ConstantLR", factor=0, end=2),
    ],
)
def test_a_schedule_that_ends_before_the_run_is_refused(scheduler):
    with pytest.raises(ConfigError, match="does not last for a run of 4 epochs of 3 steps"):
        rate_notes(config(scheduler), epochs=4, steps=3)
