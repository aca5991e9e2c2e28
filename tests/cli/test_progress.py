"""Lines of progress: every few seconds, not per batch; a first estimate without the warm-up."""

import json
import logging
import time

import pytest

from plp import progress
from plp.hooks.progress import ProgressHook
from plp.progress import Progress, ticking


class Clock:
    """Time that passes when a test says so."""

    def __init__(self, monkeypatch):
        self.now = 100.0
        monkeypatch.setattr(time, "monotonic", lambda: self.now)


@pytest.fixture
def said(caplog):
    caplog.set_level(logging.INFO, logger="plp")
    return lambda: [record.getMessage() for record in caplog.records]


def test_a_line_every_few_seconds_and_no_warm_up_in_the_rate(monkeypatch, said):
    clock = Clock(monkeypatch)
    found = Progress("testing", 1000)
    clock.now += 60.0  # the first batch: kernels, workers, caches
    found.add(10)
    assert said() == ["testing: 10 of 1000 images"]  # no estimate from the warm-up alone
    for _ in range(20):
        clock.now += 0.5
        found.add(10)
    assert said()[1:] == [
        "testing: 110 of 1000 images, 44 s left",
        "testing: 210 of 1000 images, 40 s left",
    ]
    found.add(790)
    assert len(said()) == 3  # what is done needs no line


def test_what_cannot_be_counted_ticks(said):
    with ticking("tracing", every=0.05):
        time.sleep(0.3)
    lines = said()
    assert len(lines) >= 2
    assert set(lines) == {"tracing: 0 s so far"}
    time.sleep(0.15)
    assert said() == lines


class Runner:
    """As much of a Runner as the hook looks at."""

    iter, epoch, max_epochs, max_iters = 0, 0, 10, 1000

    def __init__(self, work_dir):
        self.work_dir = work_dir
        self.optim_wrapper = self

    def get_lr(self):
        return {"lr": [0.5]}


def test_the_first_estimate_of_training_is_without_the_first_step(monkeypatch, said, tmp_path):
    clock, hook, runner = Clock(monkeypatch), ProgressHook(), Runner(tmp_path)
    hook.before_train(runner)
    hook.before_train_epoch(runner)
    for step in range(5):
        clock.now += 30.0 if step == 0 else 0.6
        hook.after_train_iter(runner, step)
        runner.iter += 1
    (line,) = said()  # 1.2 s after the first step
    assert "step 3" in line
    assert "0.60 s per step" in line
    assert "9 min 58 s left" in line  # with the first step among them: 2 h 52 min


@pytest.mark.slow
def test_the_test_of_a_run_reports_progress_and_accuracy_before_the_report(
    config_with, train_tool, monkeypatch
):
    monkeypatch.setattr(progress, "EVERY", 0.0)
    config = config_with("report = True\ndata.update(eval_batch_size=4)\n")
    ended = train_tool(config=config)
    assert ended.status == 0, ended
    lines = ended.out.splitlines()
    where = {word: [i for i, line in enumerate(lines) if line.startswith(word)]
             for word in ("testing: 4 of 18", "test accuracy on 18", "report: ")}  # fmt: skip
    assert [len(found) for found in where.values()] == [1, 1, 1], ended.out
    (testing,), (accuracy,), (report,) = where.values()
    assert testing < accuracy < report


@pytest.mark.slow
def test_test_and_ood_report_progress(tool, trained, tiny_config, photos, tmp_path, monkeypatch):
    monkeypatch.setattr(progress, "EVERY", 0.0)
    data = ("--dataset", "folder", "--data-root", photos, "--device", "cpu")
    data += ("--cfg-options", "data.eval_batch_size=5")
    ended = tool("test", tiny_config, trained, *data)
    assert "testing: 5 of 18 images" in ended.out, ended
    ended = tool(
        "ood", tiny_config, trained, *data, "--ood", f"x={photos}", "--out", tmp_path / "o"
    )
    assert "scoring x: 5 of 36 images" in ended.out, ended
    assert json.loads((tmp_path / "o" / "ood.json").read_text())["ood_sets"]["x"]["images"] == 36
