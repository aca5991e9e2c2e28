"""A checkpoint that is not the one its folder's result was measured with is told of, and used."""

import shutil

import pytest
from tiny_runs import read_result

from plp.checkpoints.checkpoint import load_checkpoint
from plp.sealed_tensors import stated_digest


@pytest.fixture
def two_runs(trained, train_tool, tmp_path):
    """Copies of two runs, of seed 1 and seed 2."""
    first = shutil.copytree(trained, tmp_path / "first")
    assert train_tool("--seed", "2", work_dir=tmp_path / "second").status == 0
    return first, tmp_path / "second"


def test_swapped_checkpoints_are_told_of(two_runs, caplog):
    first, second = two_runs
    for one in two_runs:
        assert read_result(one)["checkpoint_digest"] == stated_digest(one / "model.safetensors")
        caplog.clear()
        load_checkpoint(one)
        assert not caplog.messages
    shutil.copy(second / "model.safetensors", first / "model.safetensors")
    load_checkpoint(first)
    (said,) = caplog.messages
    assert "not the checkpoint that result.json was measured with" in said
    assert str(first / "model.safetensors") in said


def test_a_checkpoint_on_its_own_is_nothing_to_tell_of(trained, tmp_path, caplog):
    alone = shutil.copy(trained / "model.safetensors", tmp_path / "mine.safetensors")
    load_checkpoint(alone)
    (tmp_path / "result.json").write_text("[]", encoding="utf-8")
    load_checkpoint(alone)
    assert not caplog.messages


def test_a_repeated_run_in_one_folder_is_whole(two_runs, train_tool, caplog):
    first, _ = two_runs
    shutil.rmtree(first)
    assert train_tool(work_dir=first).status == 0
    caplog.clear()
    load_checkpoint(first)
    assert not caplog.messages
