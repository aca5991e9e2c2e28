"""A threshold chosen on images of the training is warned of, where they are still there."""

import logging
import shutil

import plp
from plp.engine.checkpoint import load_checkpoint
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


def test_nothing_is_known_without_the_images(trained, photos, tmp_path):
    info = load_checkpoint(trained).info
    every = sorted(photos.rglob("*.png"))
    for changed in (
        {"config": None},
        {"config": {"data": {}, "dataset": {"type": "my.module.Source"}}},
        {"config": info["config"] | {"dataset": {"type": "Folder", "root": str(tmp_path / "no")}}},
        {"split_hash": "another draw"},
    ):
        assert trained_on(info | changed, every) == []


def test_calibrating_on_shots_is_warned_of(trained, photos, caplog, monkeypatch):
    monkeypatch.setattr(logging.getLogger("plp"), "propagate", True)
    clf = plp.load(trained, device="cpu")
    clf.calibrate(photos)
    assert "12 of the 36 images to calibrate on were trained on, such as" in caplog.text
    caplog.clear()
    every = sorted(photos.rglob("*.png"))
    others = [path for path in every if path not in trained_on(clf.info, every)]
    clf.calibrate(others)
    assert "trained on" not in caplog.text
