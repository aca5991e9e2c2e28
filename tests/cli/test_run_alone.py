"""A run without its config: `plp test RUN`, `plp ood RUN`, and what is no run at all."""

import json
import shutil

import pytest
from tiny_runs import make_photos

from plp.cli import main as door

DEVICE = ("--device", "cpu")


@pytest.fixture
def plp(capsys):
    """Run a command as `plp NAME ...`; return status, standard output, standard error."""

    def run(*argv):
        capsys.readouterr()
        status = door.main([str(word) for word in argv])
        return status, *capsys.readouterr()

    return run


def test_test_needs_no_repeated_config(plp, trained, tiny_config, photos, tmp_path):
    old = ("--dataset", "folder", "--data-root", photos)
    assert plp("test", tiny_config, trained, *old, "--out", tmp_path / "old.json", *DEVICE)[0] == 0
    assert plp("test", "--out", tmp_path / "new.json", trained, *DEVICE)[0] == 0
    found = [json.loads((tmp_path / f"{name}.json").read_text()) for name in ("old", "new")]
    for key in ("accuracy", "per_class_accuracy", "num_test_images", "split_hash", "shots", "seed"):
        assert found[0][key] == found[1][key], key
    assert found[1]["shots"] == 4


def test_ood_needs_no_repeated_config(plp, trained, photos, tmp_path):
    flags = ("--ood", f"x={photos}", "--scores", "MSP", "--out", tmp_path / "out", *DEVICE)
    status, _, err = plp("ood", trained, *flags)
    assert status == 0, err
    assert (tmp_path / "out" / "ood.json").is_file()


def test_the_selection_of_classes_is_the_run_s_own(plp, train_tool, tmp_path):
    flags = ("--cfg-options", "data.classes=base", "train_cfg.max_epochs=1")
    photos = make_photos(tmp_path / "photos", dict.fromkeys("abcd", 8))
    assert train_tool(*flags, data=photos).status == 0
    status, _, err = plp("test", tmp_path / "work", *DEVICE, "--out", tmp_path / "out.json")
    assert status == 0, err
    assert json.loads((tmp_path / "out.json").read_text())["class_names"] == ["a", "b"]


def test_images_that_have_moved(plp, train_tool, tmp_path):
    photos = make_photos(tmp_path / "photos", dict(ant=8, bee=8))
    assert train_tool("--epochs", 1, data=photos).status == 0
    moved = shutil.move(photos, tmp_path / "moved")
    status, _, err = plp("test", tmp_path / "work", *DEVICE)
    assert status == 2
    assert "say where they are with --data-root DIR" in err
    status, _, err = plp("test", tmp_path / "work", "--data-root", moved, *DEVICE)
    assert status == 0, err


def test_another_data_set_needs_the_config(plp, trained):
    status, _, err = plp("test", trained, "--dataset", "textile", *DEVICE)
    assert status == 2
    assert "Give the config too" in err


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["predict", "CONFIG"], "is a config: what is trained, not a trained run"),
        (["predict", "CONFIG", "photo.jpg"], "Train it first, `plp train "),
        (["test", "CONFIG"], "is a config"),
        (["export", "sotglp", "--out", "x.onnx"], "is a config"),
        (["predict", "RUNS"], "is a folder of runs, name one of them:\n  "),
        (["visualize", "RUNS", "a.jpg", "--out", "x"], "is a folder of runs"),
        (["ood", "RUNS", "--ood", "x=y"], "is a folder of runs"),
        (["predict", "RUN"], "expected images behind the run"),
        (["test", "CONFIG", "RUN", "RUN"], "expected a run, or a config and a run, got 3"),
        (["test", "nothing.py", "RUN"], "expected a config file, nothing at"),
        (["test", "empty"], "expected a checkpoint file or a work directory"),
    ],
)
def test_what_is_no_run(argv, said, plp, trained, tiny_config, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    words = {"CONFIG": tiny_config, "RUN": trained, "RUNS": trained.parent}
    status, _, err = plp(*(words.get(word, word) for word in argv))
    assert status == 2
    assert said in err
    if "RUNS" in argv:
        assert str(trained) in err


def test_runs_of_a_config_are_named(plp, trained, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run = tmp_path / "work_dirs/sotglp/lite_16shot/photos_8shot_seed1"
    run.mkdir(parents=True)
    shutil.copy(trained / "model.safetensors", run)
    err = plp("predict", "sotglp", "x.jpg")[2]
    assert "work_dirs/sotglp/lite_16shot/photos_8shot_seed1" in err
    (run / "model.safetensors").rename(run / "state.pth")
    assert "is not finished" in plp("predict", run, "x.jpg")[2]
