"""Every command that lists a folder says once what it does not read, and they read the same."""

import json
import shutil

import pytest
from PIL import Image
from tiny_runs import CLASSES, Ended, make_photos, read_result

from plp.cli import predict as predict_cli
from plp.cli.options import run_tool

NEW = "6 images that earlier versions of plp did not read"
SAID = "not read: 3 files with other suffixes (3 .txt: "
HEIC = "install pillow-heif, or convert"


@pytest.fixture(scope="module")
def messy(photos, tmp_path_factory):
    """The photos, some under rare suffixes, beside things that are no images."""
    root = tmp_path_factory.mktemp("messy") / "insects"
    shutil.copytree(photos, root)
    for name in CLASSES:
        with Image.open(root / name / "000.png") as image:
            for i, suffix in enumerate(("jfif", "jpe")):
                image.save(root / name / f"new{i}.{suffix}", "JPEG")
        (root / name / "notes.txt").write_text("x")
        (root / name / "@eaDir").mkdir()
        (root / name / "@eaDir" / "t.png").write_bytes(b"x")
    (root / "ant" / "IMG.HEIC").write_bytes(b"x")
    return root


def predict(capsys, *flags) -> Ended:
    capsys.readouterr()
    argv = [*map(str, flags), "--device", "cpu"]
    return Ended(run_tool(predict_cli.main, argv, prints_data=True), *capsys.readouterr())


def test_train_and_predict(messy, train_tool, trained, capsys, tmp_path):
    ended = train_tool("--shots", 2, "--cfg-options", "train_cfg.max_epochs=1", data=messy)
    assert ended.status == 0, ended.err
    for text in (
        SAID,
        HEIC,
        "3 folders of tools",
        "6 images that earlier versions of plp did not read",
    ):
        assert ended.out.count(text) == 1, text
    result = read_result(tmp_path / "work")
    assert sum(SAID in note for note in result["notes"]) == 1
    asked = predict(capsys, trained, messy, "--format", "jsonl")
    assert asked.status == 0
    assert "42 of 42 images classified" in asked.err
    assert (asked.err.count(SAID), asked.err.count(HEIC)) == (1, 1)
    assert len([json.loads(line) for line in asked.out.splitlines()]) == 42


def test_calibrate(messy, photos, trained, capsys):
    ended = predict(capsys, trained, photos / "ant", "--calibrate", messy)
    assert ended.status == 0
    assert ended.err.count(SAID) == 1
    assert "of in-distribution images" in ended.err  # of those that were no shots


@pytest.mark.slow
def test_test_and_ood(messy, tool, tiny_config, trained, tmp_path):
    data = ("--dataset", "folder", "--data-root", messy, "--device", "cpu")
    ended = tool("test", tiny_config, trained, *data)
    assert (ended.status, ended.out.count(SAID)) == (0, 1)
    strange = make_photos(tmp_path / "strange", {"dog": 3})
    (strange / "dog" / "IMG.HEIC").write_bytes(b"x")
    out = tmp_path / "out"
    ended = tool("ood", tiny_config, trained, *data, "--ood", f"far={strange}", "--out", out)
    assert ended.status == 0
    assert ended.out.count(SAID) == 1
    assert ended.out.count("far: not read: 1 HEIC image ('dog/IMG.HEIC')") == 1
    notes = json.loads((out / "ood.json").read_text())["notes"]
    assert any("far: not read" in note for note in notes)
    assert any(SAID in note for note in notes)


def test_a_run_of_plp_0_1_on_images_that_were_divided_otherwise(
    photos, tool, tiny_config, trained, tmp_path, monkeypatch
):
    monkeypatch.setattr("plp.engine.restore.stamps_of", lambda _: None)  # it kept none
    root = tmp_path / "insects"
    shutil.copytree(photos, root)
    ended = tool("test", tiny_config, trained, "--dataset", "folder", "--data-root", photos,
                 "--device", "cpu")  # fmt: skip
    assert "not those of the training" not in ended.out
    moved = photos / "ant" / "003.png"
    other = moved.with_name("zzz.png")
    moved.rename(other)
    try:
        ended = tool("test", tiny_config, trained, "--dataset", "folder", "--data-root", photos,
                     "--device", "cpu")  # fmt: skip
    finally:
        other.rename(moved)
    assert ended.out.count("the shots drawn now are not those of the training") == 1


@pytest.mark.parametrize("folder", ["caltech", "dtd"])
def test_a_folder_s_name_brings_no_recipe(config_with, photos, tool, tmp_path, folder):
    shutil.copytree(photos, tmp_path / folder)
    name = {"caltech": "caltech101", "dtd": "dtd"}[folder]
    config = config_with(f"recipes = dict({name}={{'train_cfg.max_epochs': 7}})\n")
    plain = tool("print_config", config, "--dataset", "folder", "--data-root", photos)
    ended = tool("print_config", config, "--dataset", "folder", "--data-root", tmp_path / folder)
    assert ended.out.replace(str(tmp_path / folder), "X") == plain.out.replace(str(photos), "X")
    asked = tool("print_config", config, "--dataset", "folder", "--data-root", tmp_path / folder,
                 "--cfg-options", f"dataset.name={name}")  # fmt: skip
    assert '"max_epochs": 7' in asked.out
