"""tools/compare.py with worker processes: killed in the middle, and with a worker that dies."""

import json
import os
import signal
import sys
import time

import pytest
from processes import start

DEADLY = """\
import os
import signal

from mmengine.hooks import Hook

from plp.registry import HOOKS


@HOOKS.register_module()
class DieWithSeed(Hook):
    def __init__(self, seed):
        self.seed = seed

    def before_train(self, runner):
        if runner.seed == self.seed:
            os.kill(os.getpid(), signal.SIGKILL)
"""


def command(config, photos, out, *flags):
    return [sys.executable, "-u", "tools/compare.py", "--methods", config,
            "--datasets", f"mine={photos}", "--shots", 2, 4, "--seeds", 1, 2, "--out", out,
            "--device", "cpu", "--jobs", 2, *flags]  # fmt: skip


def finish(process):
    said = process.communicate(timeout=300)[0]
    assert "Traceback" not in said
    return process.returncode, said


def group_is_gone(process, seconds=20.0):
    """Whether nobody is left of the process's session within some seconds."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            os.killpg(process.pid, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.2)
    return False


def accuracies(out):
    rows = json.loads((out / "results.json").read_text())["runs"]
    return {(row["shots"], row["seed"]): row["accuracy"] for row in rows}


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_killed_and_called_again(root, config_with, photos, tmp_path, number):
    config = config_with("train_cfg = dict(max_epochs=40, val_interval=40)\n")
    whole = command(config, photos, tmp_path / "whole")
    assert finish(start(root, *whole))[0] == 0
    process = start(root, *command(config, photos, tmp_path / "out"))
    first = next(line for line in process.stdout if line.startswith("[1/4]"))
    assert "failed" not in first, first  # "code changed": somebody edits plp while tests run
    time.sleep(0.5)  # two others are at work
    process.send_signal(number)
    said = process.communicate(timeout=60)[0]
    assert process.returncode == (130 if number == signal.SIGINT else -number), said
    assert "Traceback" not in said
    assert group_is_gone(process)
    done = len(list((tmp_path / "out" / "runs").rglob("result.json")))
    assert 1 <= done < 4
    status, said = finish(start(root, *command(config, photos, tmp_path / "out")))
    assert status == 0, said
    assert f"4 runs: {done} done already, {4 - done} to run" in said
    assert len(accuracies(tmp_path / "out")) == 4
    assert accuracies(tmp_path / "out") == accuracies(tmp_path / "whole")


@pytest.mark.slow
@pytest.mark.parametrize("seconds", [0.0, 1.0, 2.5])
def test_ctrl_c_while_workers_start(root, tiny_config, photos, tmp_path, seconds):
    """A terminal sends it to all processes; workers that import have not said yet to ignore it."""
    process = start(root, *command(tiny_config, photos, tmp_path / "out"))
    first = next(line for line in process.stdout if "processes: 2" in line)
    time.sleep(seconds)
    os.killpg(process.pid, signal.SIGINT)
    said = first + process.communicate(timeout=60)[0]
    assert process.returncode == 130, said
    assert said.splitlines()[1:] == [
        "interrupted; the same command goes on from here: 0 of 4 runs done"
    ]
    assert group_is_gone(process)


@pytest.mark.slow
def test_a_worker_that_dies_fails_its_job_only(root, config_with, photos, tmp_path):
    config = config_with(
        "custom_imports = dict(imports=['deadly_hook'])\n"
        "custom_hooks = [dict(type='DieWithSeed', seed=2)]\n"
    )
    config.with_name("deadly_hook.py").write_text(DEADLY)
    status, said = finish(start(root, *command(config, photos, tmp_path / "out")))
    assert status == 1
    assert said.count("its process was ended by SIGKILL: out of memory? Try fewer --jobs") == 4
    results = json.loads((tmp_path / "out" / "results.json").read_text())
    assert [row["seed"] for row in results["runs"]] == [1, 1]
    assert len(results["failures"]) == 2
