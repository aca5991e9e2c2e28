"""A run goes on with the images it began with, and with no others."""

import os
import shutil

import pytest
import torch
from PIL import Image
from stop_hook import StoppedError
from tiny_runs import make_photos, read_result

from plp.datasets import Folder, sample
from plp.engine.image_contents import ImageContents

STOP = """\
custom_imports = dict(imports=['stop_hook'])
custom_hooks = [dict(type='StopHook', epoch=1)]
"""
SELECT = "selection = 'val'\ntrain_cfg = dict(max_epochs=2, val_interval=1)\n"


@pytest.fixture
def begun(config_with, photos, train_tool, tmp_path):
    """Photos of ones own, and a function that begins a run on them and stops it."""
    data = shutil.copytree(photos, tmp_path / "insects")

    def begin(more=""):
        with pytest.raises(StoppedError):
            train_tool(config=config_with(STOP + more), data=data)
        return data

    return begin


def shots_of(data, shots=4):
    return sample(Folder(data).splits(), shots=shots, seed=1)


def replace(path, colour=9):
    """Put another image in its place, of as many bytes and with the old time of change."""
    before = path.stat()
    Image.new("RGB", (50, 40), (colour, 100, 200)).save(path)
    path.write_bytes(path.read_bytes().ljust(before.st_size, b"\0"))
    assert path.stat().st_size == before.st_size
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def test_replaced_shots_are_refused_by_name(begun, config_with, train_tool):
    data = begun()
    few = shots_of(data)
    for colour, item in enumerate(few.train[:5]):
        replace(data / item.path, colour)
    told = train_tool("--resume", config=config_with(), data=data).told()
    names = ", ".join(repr(item.path) for item in few.train[:3])
    assert f"5 of 12 shots have other content than before: {names} and 2 more" in told
    assert "another --work-dir" in told


def test_a_replaced_image_of_equal_size_and_time_is_refused(begun, config_with, train_tool):
    data = begun()
    path = shots_of(data).train[3].path
    replace(data / path)
    told = train_tool("--resume", config=config_with(), data=data).told()
    assert f"1 of 12 shots has other content than before: {path!r}" in told


def test_another_folder_of_equal_names_is_refused(begun, config_with, train_tool, tmp_path):
    begun()
    names = {"other": 40, "ant": 12, "bee": 12, "cat": 12}
    other = make_photos(tmp_path / "elsewhere/insects", names)
    shutil.rmtree(other / "other")
    told = train_tool("--resume", config=config_with(), data=other).told()
    assert "12 of 12 shots have other content than before" in told


@pytest.mark.slow
def test_the_same_images_in_another_place_are_gone_on_with(
    begun, config_with, train_tool, trained, tmp_path
):
    moved = shutil.copytree(begun(), tmp_path / "elsewhere/insects")
    ended = train_tool("--resume", config=config_with(), data=moved)
    assert ended.status == 0, ended.err
    assert read_result(tmp_path / "work")["accuracy"] == read_result(trained)["accuracy"]


@pytest.mark.slow
def test_images_that_do_not_train_may_change(begun, config_with, train_tool):
    """Test images are looked at once, at the end; validation images where they choose the epoch."""
    data = begun()
    few = shots_of(data)
    for colour, item in enumerate((few.test[0], few.val[0])):
        replace(data / item.path, colour)
    assert train_tool("--resume", config=config_with(), data=data).status == 0


def test_validation_images_that_choose_the_epoch_may_not(begun, config_with, train_tool):
    data = begun(SELECT)
    path = shots_of(data).val[2].path
    replace(data / path)
    told = train_tool("--resume", config=config_with(SELECT), data=data).told()
    assert f"1 of 6 validation images has other content than before: {path!r}" in told


@pytest.mark.slow
def test_a_state_that_says_nothing_of_its_images(begun, config_with, train_tool, tmp_path):
    """States of plp 0dbca55 are resumed, with one note."""
    data = begun()
    path = tmp_path / "work/state.pth"
    state = torch.load(path, weights_only=True)
    assert state["plp"]["identity"].pop("contents")
    state.pop("digest")
    torch.save(state, path)
    ended = train_tool("--resume", config=config_with(), data=data)
    assert ended.status == 0, ended.err
    assert ended.out.count("did not write down what the shots contain") == 1


def test_no_threshold_on_shots_nor_on_one_image_twice():
    contents = ImageContents(
        shots=(("a", "1-a"), ("b", "")), val=(("c", "1-a"), ("d", "2-d"), ("e", "2-d"), ("f", ""))
    )
    assert contents.for_threshold() == [1, 3]
    assert contents.shot_stamps() == ["1-a"]
