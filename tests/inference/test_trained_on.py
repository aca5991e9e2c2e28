"""A threshold chosen on images of the training is warned of, where they are still there."""

import logging
import shutil

import pytest
from PIL import Image

import plp
from plp.checkpoints.checkpoint import load_checkpoint
from plp.inference.trained_on import trained_on


def test_shots_are_known_by_content(trained, photos, tmp_path):
    info = load_checkpoint(trained).info
    every = sorted(photos.rglob("*.png"))
    found = trained_on(info, every)
    assert len(found) == 12  # three classes, four shots
    (tmp_path / "copies").mkdir()
    copies = [shutil.copy(path, tmp_path / "copies" / f"{i}.png") for i, path in enumerate(found)]
    assert len(trained_on(info, copies)) == 12
    assert trained_on(info, [path for path in every if path not in found]) == []


def test_no_code_is_run_that_a_checkpoint_names_within_a_wrapper(trained, tmp_path):
    """A wrapper of mmengine would build, and so call, what the config within it names."""
    info, mark = load_checkpoint(trained).info, tmp_path / "mark"
    called = {"type": "pathlib.Path.touch", "self": mark}
    assert load_checkpoint(trained).info["config"]["dataset"]["type"] == "Folder"
    for section in (
        {"type": "RepeatDataset", "times": 1, "dataset": called},
        {"type": "ConcatDataset", "datasets": [called]},
        info["config"]["dataset"] | {"classes": called},
    ):
        assert trained_on(info | {"config": info["config"] | {"dataset": section}}, []) == []
        assert not mark.exists()


def test_shots_are_known_wherever_they_are_now(trained, photos, tmp_path):
    """A checkpoint says what its shots contain: the folder of the training may be gone."""
    info = load_checkpoint(trained).info
    moved = info["config"] | {"dataset": {"type": "Folder", "root": str(tmp_path / "gone")}}
    assert len(trained_on(info | {"config": moved}, sorted(photos.rglob("*.png")))) == 12


@pytest.mark.parametrize("broken", [None, "text", [1, 2], {"a": 1}])
def test_shots_of_an_older_checkpoint_are_drawn_again(trained, photos, broken):
    info = load_checkpoint(trained).info | {"shot_contents": broken}
    assert len(trained_on(info, sorted(photos.rglob("*.png")))) == 12


def test_nothing_is_known_without_the_images(trained, photos, tmp_path):
    info = {k: v for k, v in load_checkpoint(trained).info.items() if k != "shot_contents"}
    every = sorted(photos.rglob("*.png"))
    for changed in (
        {"config": None},
        {"config": {"data": {}, "dataset": {"type": "my.module.Source"}}},
        {"config": info["config"] | {"dataset": {"type": "Folder", "root": str(tmp_path / "no")}}},
        {"split_hash": "another draw"},
    ):
        assert trained_on(info | changed, every) == []


def test_no_threshold_is_chosen_on_shots(trained, photos, caplog, monkeypatch, tmp_path):
    monkeypatch.setattr(logging.getLogger("plp"), "propagate", True)
    clf = plp.load(trained, device="cpu")
    every = sorted(photos.rglob("*.png"))
    shots = trained_on(clf.info, every)
    others = [path for path in every if path not in shots]
    assert clf.calibrate(photos).images == 24
    assert "12 of the 36 images to calibrate on were trained on, such as" in caplog.text
    caplog.clear()
    expected = clf.calibrate(others)
    assert "trained on" not in caplog.text
    renamed = [shutil.copy(path, tmp_path / f"{i}.png") for i, path in enumerate(shots)]
    opened = [Image.open(path) for path in renamed[:6]]
    assert clf.calibrate([*opened, *renamed[6:], *others]) == expected
    alone = clf.calibrate(renamed)
    assert (alone.images, alone.threshold) == (0, None)
    assert "nothing is accepted or rejected" in alone.describe()


def test_a_photo_given_often_is_one_photo(trained, photos, caplog, monkeypatch, tmp_path):
    monkeypatch.setattr(logging.getLogger("plp"), "propagate", True)
    clf = plp.load(trained, device="cpu")
    every = sorted(photos.rglob("*.png"))
    one = next(path for path in every if path not in trained_on(clf.info, every))
    copies = [shutil.copy(one, tmp_path / f"{i}.png") for i in range(19)]
    found = clf.calibrate([one, *copies])
    assert (found.images, found.threshold) == (1, None)
    assert "19 of the 20 images to calibrate on are copies" in caplog.text
