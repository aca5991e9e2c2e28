"""A run leaves no open file, no object of mmengine's, and no file or line of mmengine's own."""

import gc
import os
from pathlib import Path

import pytest
from mmengine.logging import MessageHub, MMLogger
from mmengine.registry import DefaultScope
from mmengine.visualization import Visualizer
from processes import context as processes
from tiny_runs import read_result

from plp.cli import compare
from plp.cli.options import run_tool

resource = pytest.importorskip("resource", reason="limits of a process are those of POSIX")

DESCRIPTORS = Path("/proc/self/fd")
KINDS = (MMLogger, MessageHub, Visualizer, DefaultScope)
FILES = {"config.json", "curves.jsonl", "model.safetensors", "result.json", "state.pth"}
SPARE, JOBS = 16, 24


def kept():
    return [list(kind._instance_dict) for kind in KINDS]


def open_files():
    gc.collect()
    return sorted(os.readlink(one) for one in DESCRIPTORS.iterdir() if one.is_symlink())


@pytest.mark.slow
@pytest.mark.skipif(not DESCRIPTORS.is_dir(), reason="lists descriptors as Linux does")
def test_runs_leave_neither_open_files_nor_objects(train_tool, tmp_path):
    train_tool(work_dir=tmp_path / "first")
    before, objects = open_files(), kept()
    assert train_tool(work_dir=tmp_path / "second").status == 0
    ended = train_tool("--cfg-options", "train_cfg.max_epochs=x", work_dir=tmp_path / "third")
    ended.told()
    assert [one for one in open_files() if one not in before] == []
    assert kept() == objects


def test_only_plps_own_files_and_lines(train_tool, tmp_path):
    work = tmp_path / "work"
    first = train_tool()
    assert {path.name for path in work.iterdir()} <= FILES
    (work / "result.json").unlink()
    again = train_tool("--resume")
    assert again.status == 0, again.err
    assert read_result(work)["resumed"]
    assert {path.name for path in work.iterdir()} <= FILES
    told = set(first.out.splitlines())
    assert [line for line in again.out.splitlines() if line not in told] == [f"resuming in {work}"]


def compare_with_few_files(argv, pipe):
    """Compare in a process that may open few files more than it has."""
    limit = max(int(one.name) for one in DESCRIPTORS.iterdir()) + SPARE
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
    pipe.send(run_tool(compare.main, argv))


@pytest.mark.slow
@pytest.mark.skipif(not DESCRIPTORS.is_dir(), reason="lists descriptors as Linux does")
def test_a_comparison_needs_no_more_files_for_more_jobs(tiny_config, photos, tmp_path):
    argv = ["--methods", tiny_config, "--datasets", f"mine={photos}", "--shots", 1, "--seeds",
            *range(JOBS), "--out", tmp_path / "out", "--device", "cpu", "--jobs", 0,
            "--cfg-options", "train_cfg.max_epochs=1"]  # fmt: skip
    here, there = processes.Pipe()
    child = processes.Process(target=compare_with_few_files, args=(list(map(str, argv)), there))
    child.start()
    child.join(200)
    child.kill()
    assert here.poll()
    assert here.recv() == 0
    runs = list((tmp_path / "out").rglob("result.json"))
    assert len(runs) == JOBS
    assert not [one for run in runs for one in run.parent.iterdir() if one.is_dir()]
