"""Ctrl-C at many moments: status 130, a word about what is kept, and no half a file.

Most moments are simulated in this process, where a function is entered; the slow tests send a
signal to a process of its own.
"""

import importlib
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from bad_disks import WRITERS, check_whole
from processes import start
from told import STOPPED, check_nothing_written, check_told, full_disk_error, look, run

from plp.errors import Interrupted

# Of each command of `WRITERS`, where it is interrupted: module, name, call.
MOMENTS = {
    "train": [
        ("plp.engine.train", "set_up", 1), ("plp.engine.train", "build_learner", 1),
        ("plp.engine.train", "build_loaders", 1), ("plp.engine.train", "fit", 1),
        ("plp.engine.train", "build_runner", 1),
        ("plp.hooks.progress", "ProgressHook.after_train_iter", 1),
        ("plp.hooks.progress", "ProgressHook.after_train_epoch", 1),
        ("plp.hooks.save", "SaveHook.before_train_epoch", 2),
        ("plp.hooks.progress", "ProgressHook.after_train_iter", 2),
        ("plp.hooks.save", "SaveHook.after_train", 1), ("plp.engine.train", "tune", 1),
        ("plp.engine.train", "_validate", 1), ("plp.engine.train", "report_entries", 1),
        ("plp.engine.train", "validation_scores", 1), ("plp.engine.train", "write_result", 1),
        ("plp.files", "os.replace", 1), ("plp.files", "os.replace", 3),
        ("plp.files", "os.fsync", 2),
    ],
    "train with a report": [("plp.report.finished_run", "leave_report", 1),
                            ("plp.report.leave", "write_text", 1)],
    "test": [("plp.engine.evaluate", "restore_learner", 1),
             ("plp.engine.evaluate", "predict_loader", 1), ("plp.files", "os.replace", 1)],
    "predict": [("plp.cli.predict", "list_and_report", 1), ("plp.cli.predict", "load_asked", 1),
                ("plp.inference.reading", "look_at", 4), ("plp.files", "os.fsync", 1),
                ("plp.files", "os.replace", 1)],
    "predict --save": [("plp.inference.scoring", "score_batch", 1),
                       ("plp.files", "os.replace", 1)],
    "visualize": [("plp.cli.visualize", "explain_image", 1), ("plp.cli.visualize", "draw_sheet", 1),
                  ("plp.files", "os.replace", 2)],
    "collect": [("plp.cli.collect", "collect_runs", 1), ("plp.files", "os.replace", 3)],
    "ood": [("plp.ood.run", "restore_learner", 1), ("plp.ood.run", "score_images", 2),
            ("plp.files", "os.replace", 1), ("plp.files", "os.replace", 3)],
    "compare": [("plp.sweeps.compare.compare", "make_plan", 1),
                ("plp.sweeps.compare.worker", "train_and_report", 1),
                ("plp.hooks.progress", "ProgressHook.after_train_iter", 1),
                ("plp.files", "os.replace", 2)],
    "export": [("plp.export.write", "trace", 1), ("plp.files", "os.replace", 1)],
}  # fmt: skip
CASES = [(name, *moment) for name, moments in MOMENTS.items() for moment in moments]


def interrupt(monkeypatch, module, name, call):
    """Let the n-th call of a function be where Ctrl-C is pressed."""
    *holders, last = name.split(".")
    holder = importlib.import_module(module)
    for one in holders:
        holder = getattr(holder, one)
    function, count = getattr(holder, last), [0]

    def stopping(*arguments, **keywords):
        count[0] += 1
        if count[0] == call:
            raise KeyboardInterrupt
        return function(*arguments, **keywords)

    monkeypatch.setattr(holder, last, stopping)
    return count


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("name", "module", "function", "call"),
    [pytest.param(*case, id=f"{case[0]}: {case[2]} {case[3]}",
                  marks=() if case[0] in ("predict", "test") or "SaveHook" in case[2]
                  else pytest.mark.slow)
     for case in CASES],
)  # fmt: skip
def test_ctrl_c(name, module, function, call, world, place, capsys, monkeypatch):
    command, argv = WRITERS[name]
    before = look(world.base)
    with monkeypatch.context() as patched:
        count = interrupt(patched, module, function, call)
        ended = run(command, argv(world), capsys)
    assert count[0] >= call, "this moment never came"
    assert ended.status == STOPPED, ended
    text = ended.out + ended.err
    assert "Traceback" not in text, text
    assert "interrupted; " in text, text
    assert any(word in text for word in ("same command", "finished")), text
    check_whole(place)
    after = look(world.base)
    assert all(after.get(path) == entry for path, entry in before.items())


def test_what_is_kept_is_said(world, place, capsys, monkeypatch):
    argv = [world.config, *world.data, "--work-dir", "new run"]
    with monkeypatch.context() as patched:
        interrupt(patched, "plp.hooks.progress", "ProgressHook.after_train_iter", 1)
        ended = run("train", argv, capsys)
    assert Interrupted.USUAL in ended.err
    assert not (place / "new run" / "state.pth").exists()
    with monkeypatch.context() as patched:
        interrupt(patched, "plp.engine.train", "tune", 1)
        ended = run("train", argv, capsys)
    assert "--resume --work-dir 'new run' goes on from there" in ended.err
    ended = run("train", [*argv, "--resume"], capsys)
    assert ended.status == 0, ended
    assert (place / "new run" / "result.json").is_file()


@pytest.mark.parametrize("error", [KeyboardInterrupt(), full_disk_error("images.tar")])
def test_a_download_that_stops_leaves_nothing(world, place, capsys, monkeypatch, error):
    def fetch(root, download):
        (Path(root) / "images.tar").write_bytes(b"half")
        raise error

    monkeypatch.setattr("torchvision.datasets.Caltech101", fetch)
    before = look(place)
    ended = run("data", ["download", "caltech101", "--root", place], capsys)
    if isinstance(error, KeyboardInterrupt):
        assert (ended.status, ended.err) == (STOPPED, f"{Interrupted.USUAL}\n")
    else:
        check_told(ended, ["caltech101", "disk is full"])
    check_nothing_written(before, look(place))


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("seconds", [0.3, 1.5, 4.0, 6.0, 8.0])
def test_a_signal(seconds, root, world, place):
    """At any moment, imports among them."""
    argv = [world.config, *world.data, "--work-dir", place / "new"]
    process = start(
        root, sys.executable, "-c",
        "print('up', flush=True); from plp.cli.main import main; raise SystemExit(main())",
        "train", *argv, "--cfg-options", "train_cfg.max_epochs=100000", stderr=subprocess.STDOUT,
    )  # fmt: skip
    try:
        assert process.stdout.readline().startswith("up")  # before, the signal is Python's affair
        time.sleep(seconds)
        process.send_signal(signal.SIGINT)
        said = process.communicate(timeout=200)[0]
    finally:
        process.kill()  # a process that goes on would write into the world of all later tests
        process.wait()
    assert process.returncode in (STOPPED, -signal.SIGINT), said
    if process.returncode == STOPPED:
        assert "Traceback" not in said
        assert "same command" in said
    check_whole(place)
