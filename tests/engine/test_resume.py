"""A run that was cut off anywhere ends, once resumed, with the numbers of the unbroken run."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from representatives import slow_but
from stop_hook import StoppedError
from tiny_runs import read_result

from plp.checkpoints.checkpoint import load_checkpoint
from plp.cli import train
from plp.cli.options import run_tool

SELECT = "selection = 'val'\ntrain_cfg['val_interval'] = 1\n"
MOMENTS = {
    "first step": ("step", 1, None),
    "within an epoch": ("step", 8, None),
    "half a state": ("half", 2, "state.pth"),
    "first state not renamed": ("before", 1, "state.pth"),
    "between epochs": ("after", 3, "state.pth"),
    "best of an epoch without state": ("after", 1, "best.safetensors"),
    "half the curves": ("half", 3, "curves.jsonl"),
    "half a best": ("half", 1, "best.safetensors"),
    "trained, not saved": ("before", 1, "model.safetensors"),
    "half a checkpoint": ("half", 1, "model.safetensors"),
    "half a result": ("half", 1, "result.json"),
}
STOP = """\
custom_imports = dict(imports=['stop_hook'])
custom_hooks = [dict(type='StopHook', epoch={})]
"""
KILLED = -signal.SIGKILL


def assert_same_end(resumed: Path, unbroken: Path) -> None:
    for name in ("model.safetensors", *(["best.safetensors"] if has_best(unbroken) else [])):
        one, other = load_checkpoint(resumed / name), load_checkpoint(unbroken / name)
        assert one.state.keys() == other.state.keys()
        for key, value in one.state.items():
            assert torch.equal(value, other.state[key]), key
        assert one.info["epoch"] == other.info["epoch"]
    for key in ("accuracy", "per_class_accuracy", "split_hash", "steps"):
        assert read_result(resumed)[key] == read_result(unbroken)[key]
    assert curves(resumed) == curves(unbroken)


def has_best(folder: Path) -> bool:
    return (folder / "best.safetensors").is_file()


def curves(folder: Path) -> list[dict]:
    return [json.loads(line) for line in (folder / "curves.jsonl").read_text().splitlines()]


def argv_of(config: Path, data: Path, folder: Path, *flags: str) -> list[str]:
    source = ["--dataset", "folder", "--data-root", str(data)]
    return [str(config), *source, "--work-dir", str(folder), "--device", "cpu", *flags]


def environment() -> dict[str, str]:
    """Return an environment with as many threads as here: sums are rounded the same."""
    return {**os.environ, "OMP_NUM_THREADS": str(torch.get_num_threads())}


@pytest.fixture(scope="module")
def select_config(config_with):
    return config_with(SELECT)


@pytest.fixture(scope="module")
def selected(select_config, photos, tmp_path_factory):
    """The work directory of an unbroken run that keeps the best epoch."""
    folder = tmp_path_factory.mktemp("selected") / "run"
    assert run_tool(train.main, argv_of(select_config, photos, folder)) == 0
    return folder


@pytest.fixture(scope="module")
def killed(select_config, photos, tmp_path_factory):
    """The work directories of runs killed at each moment."""
    folders = {moment: tmp_path_factory.mktemp("killed") / "run" for moment in MOMENTS}
    runs = [
        {"argv": argv_of(select_config, photos, folders[name]), "moment": moment}
        for name, moment in MOMENTS.items()
    ]
    script = Path(__file__).with_name("killed_runs.py")
    ended = subprocess.run(
        [sys.executable, str(script), json.dumps(runs)],
        capture_output=True, text=True, timeout=300, env=environment(), check=False,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    assert json.loads(ended.stdout.splitlines()[-1]) == [KILLED] * len(runs), ended.stdout
    return folders


@pytest.mark.slow
@pytest.mark.parametrize("moment", MOMENTS)
def test_killed_and_resumed(moment, killed, selected, select_config, photos):
    folder = killed[moment]
    assert not (folder / "result.json").exists()
    when, _, name = MOMENTS[moment]
    stray = list(folder.glob("*.tmp"))
    assert [path.name.startswith(f".{name}.") for path in stray] == [True] * (
        when in ("half", "before")
    )
    assert run_tool(train.main, argv_of(select_config, photos, folder, "--resume")) == 0
    assert_same_end(folder, selected)


def test_training_moves_everything_learned(selected, trained):
    first, last = load_checkpoint(selected / "best.safetensors"), load_checkpoint(trained)
    rows = curves(trained)
    assert [row["epoch"] for row in rows] == [1, 2, 3, 4]
    assert rows[-1]["loss"] < rows[0]["loss"]
    assert first.state.keys() == last.state.keys()
    weight = last.state["branches.local.projection.weight"]
    assert not torch.equal(weight, torch.eye(len(weight)))


@pytest.mark.parametrize("epoch", slow_but((1,), (1, 3)))
def test_stopped_by_an_exception_and_resumed(epoch, config_with, photos, trained, tmp_path):
    config, folder = config_with(STOP.format(epoch)), tmp_path / "run"
    with pytest.raises(StoppedError):
        run_tool(train.main, argv_of(config, photos, folder))
    assert [row["epoch"] for row in curves(folder)] == list(range(1, epoch + 1))
    assert run_tool(train.main, argv_of(config_with(), photos, folder, "--resume")) == 0
    assert read_result(folder)["resumed"]
    assert_same_end(folder, trained)


@pytest.mark.slow
def test_a_finished_run_resumed_tests_again(config_with, photos, trained, tmp_path):
    folder = tmp_path / "run"
    for flags in ((), ("--resume",), ("--resume",)):
        assert run_tool(train.main, argv_of(config_with(), photos, folder, *flags)) == 0
        assert_same_end(folder, trained)


def test_a_state_runs_no_code(config_with, photos, trained, tmp_path):
    """mmengine would run a config that stands in the `meta` of a state as Python."""
    folder, ran = shutil.copytree(trained, tmp_path / "run"), tmp_path / "ran"
    state = torch.load(folder / "state.pth", weights_only=True)
    state["meta"]["config"] = f"import pathlib\npathlib.Path({str(ran)!r}).touch()\n"
    state.pop("digest")
    torch.save(state, folder / "state.pth")
    assert run_tool(train.main, argv_of(config_with(), photos, folder, "--resume")) == 0
    assert not ran.exists()
    assert_same_end(folder, trained)


@pytest.mark.parametrize("line", [1, 3])
def test_damaged_curves_are_told_and_kept(line, config_with, photos, trained, tmp_path, capsys):
    folder = shutil.copytree(trained, tmp_path / "run")
    path = folder / "curves.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    lines[line] = b"\xff" + lines[line]
    path.write_bytes(damaged := b"".join(lines))
    assert run_tool(train.main, argv_of(config_with(), photos, folder, "--resume")) == 0
    said = capsys.readouterr().out
    assert f"1 line of {path} is damaged: left out" in said
    assert "is not what it was when the state was saved" in said
    assert (folder / "curves.jsonl.damaged").read_bytes() == damaged
    assert len(curves(folder)) == len(lines) - 1


def test_changed_curves_are_told(config_with, photos, trained, tmp_path, capsys):
    folder = shutil.copytree(trained, tmp_path / "run")
    path = folder / "curves.jsonl"
    path.write_text(path.read_text().replace('"lr": 0.', '"lr": 1.', 1))
    assert run_tool(train.main, argv_of(config_with(), photos, folder, "--resume")) == 0
    assert "is not what it was when the state was saved" in capsys.readouterr().out


@pytest.mark.slow
@pytest.mark.usefixtures("every_set_is_large")
def test_resuming_may_change_what_no_number_depends_on(config_with, photos, trained, tmp_path):
    folder = tmp_path / "run"
    with pytest.raises(StoppedError):
        run_tool(train.main, argv_of(config_with(STOP.format(2)), photos, folder))
    flags = ("--resume", "--cfg-options", "data.num_workers=1", "save_seconds=60")
    assert run_tool(train.main, argv_of(config_with(), photos, folder, *flags)) == 0
    assert_same_end(folder, trained)


def kill_tool_when(ready, root, argv) -> None:
    """Start tools/train.py, end it with SIGKILL as soon as `ready()`."""
    process = subprocess.Popen(
        [sys.executable, "tools/train.py", *argv],
        cwd=root, env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
    )  # fmt: skip
    try:
        deadline = time.monotonic() + 120
        while not ready():
            assert process.poll() is None, process.stderr.read().decode()
            assert time.monotonic() < deadline
            time.sleep(0.002)
    finally:
        process.kill()
        assert process.wait() == KILLED
        process.stderr.close()


def lines_of(folder: Path) -> int:
    path = folder / "curves.jsonl"
    return len(path.read_text().splitlines()) if path.is_file() else 0


@pytest.fixture(scope="module")
def long_config(config_with):
    """Long enough to be met while it runs."""
    return config_with("train_cfg = dict(max_epochs=8, val_interval=3)\n")


@pytest.fixture(scope="module")
def long_run(long_config, photos, tmp_path_factory):
    folder = tmp_path_factory.mktemp("long") / "run"
    assert run_tool(train.main, argv_of(long_config, photos, folder)) == 0
    return folder


@pytest.mark.parametrize("moments", [(2,), (1, 2, 4, 5)])
@pytest.mark.slow
def test_the_tool_killed_from_outside(moments, long_config, long_run, photos, root, tmp_path):
    folder = tmp_path / "run"
    for moment in moments:
        argv = argv_of(long_config, photos, folder, *(["--resume"] if folder.exists() else []))
        kill_tool_when(lambda moment=moment: lines_of(folder) >= moment, root, argv)
        assert not (folder / "result.json").exists()
    assert run_tool(train.main, argv_of(long_config, photos, folder, "--resume")) == 0
    assert_same_end(folder, long_run)
