"""What a run does about images in two places: it says so, counts them, or refuses."""

import json
import shutil
from pathlib import Path

import pytest
from tiny_runs import make_photos, read_result

from plp.checkpoints.checkpoint import load_checkpoint
from plp.config.data_options import DataOptions
from plp.datasets import Coop, Folder, Item, Splits, sample
from plp.datasets.benchmarks import BENCHMARKS
from plp.engine.duplicates import check_duplicates
from plp.errors import DataError

COUNTS = {"ant": 8, "bee": 8, "cat": 8}


@pytest.fixture
def parts(tmp_path):
    """A folder with train/, val/ and test/, each image there once."""
    every = make_photos(tmp_path / "every", COUNTS)
    for name in COUNTS:
        for i, part in enumerate(["train"] * 4 + ["val"] * 2 + ["test"] * 2):
            folder = tmp_path / "insects" / part / name
            folder.mkdir(parents=True, exist_ok=True)
            shutil.copy(every / name / f"{i:03d}.png", folder)
    return tmp_path / "insects"


@pytest.mark.slow
def test_it_is_told_counted_and_in_the_report(parts, train_tool, tmp_path):
    shutil.copy(parts / "train/ant/000.png", parts / "test/ant/leak.png")
    shutil.copy(parts / "train/bee/001.png", parts / "val/bee/leak.png")
    ended = train_tool("--shots", 4, "--cfg-options", "report=True", data=parts)
    assert ended.status == 0, ended.err
    assert ended.out.count("1 of 7 test images are also training images (1 of them shots") == 1
    assert ended.out.count("1 of 7 validation images are also training images, 1 of the") == 1
    result = read_result(tmp_path / "work")
    wanted = {"images": 26, "test_in_train": 1, "test_in_shots": 1, "val_in_train": 1,
              "val_in_shots": 1, "two_labels": 0}  # fmt: skip
    assert wanted.items() <= result["duplicates"].items()
    assert sum("also training images" in note for note in result["notes"]) == 2
    report = (tmp_path / "work/report.html").read_text(encoding="utf-8")
    assert report.count("1 of 7 test images are also training images") == 1
    scores = load_checkpoint(tmp_path / "work").validation_scores
    assert {len(one) for one in scores.values()} == {6}, "no threshold is chosen on shots"
    assert result["validation"]["num_images"] == 7


def test_no_threshold_where_validation_is_training(parts, train_tool, tmp_path):
    shutil.rmtree(parts / "val")
    (parts / "val").symlink_to("train")
    assert train_tool("--shots", 4, data=parts).status == 0
    scores = load_checkpoint(tmp_path / "work").validation_scores
    assert scores
    assert all(len(one) == 0 for one in scores.values())


def test_one_image_in_two_classes_is_refused(parts, train_tool, tmp_path):
    shutil.copy(parts / "train/ant/000.png", parts / "train/bee/extra.png")
    told = train_tool("--shots", 2, data=parts).told()
    assert "1 image stands in several classes: 'train/ant/000.png' (ant) is" in told
    assert "'train/bee/extra.png' (bee)" in told
    assert "data.two_labels=report" in told
    assert not (tmp_path / "work").exists()
    flags = ("--shots", 2, "--cfg-options", "data.two_labels=report", "train_cfg.max_epochs=1")
    ended = train_tool(*flags, data=parts)
    assert ended.status == 0, ended.err
    assert ended.out.count("1 image stands in several classes") == 1
    assert read_result(tmp_path / "work")["duplicates"]["two_labels"] == 2


def test_the_option_has_two_values(train_tool):
    told = train_tool("--cfg-options", "data.two_labels=no").told()
    assert "expected data.two_labels to be 'refuse' or 'report', got 'no'" in told


class Published(Folder.__mro__[1]):  # a DataSource
    """A source under the name of a registered class of the field's datasets."""

    name = "dtd"

    def splits(self):
        raise NotImplementedError


def conflicting(root: Path) -> Splits:
    make_photos(root, {"ant": 3, "bee": 3})
    shutil.copy(root / "ant/000.png", root / "bee/000.png")
    train = (Item("ant/000.png", 0), Item("bee/000.png", 1))
    test = (Item("ant/001.png", 0), Item("bee/001.png", 1))
    return Splits(train, (), test, ("ant", "bee"), "dtd", root)


def test_published_lists_are_reported_and_never_refused(tmp_path):
    splits = conflicting(tmp_path / "dtd")
    few = sample(splits, 1, seed=1)
    published = type(BENCHMARKS["dtd"].source, (Published,), {})()
    assert check_duplicates(published, splits, few, DataOptions()).counts["two_labels"] == 2
    with pytest.raises(DataError, match="stands in several classes"):
        check_duplicates(Published(), splits, few, DataOptions())


def test_a_published_split_file_in_a_folder_of_ones_own(tmp_path, monkeypatch):
    from plp.datasets.published_lists import list_digest

    splits = conflicting(tmp_path / "dtd")
    own = BENCHMARKS["dtd"]
    split = own.split._replace(digest=list_digest(splits)[:16])
    monkeypatch.setitem(BENCHMARKS, "dtd", own._replace(split=split))
    (tmp_path / "dtd/split_a.json").write_text("{}")
    source = Coop(tmp_path / "dtd")
    found = check_duplicates(source, splits, sample(splits, 1, seed=1), DataOptions())
    assert found.counts["two_labels"] == 2


def test_a_test_of_another_folder_knows_the_shots(trained, tool, tiny_config, photos, tmp_path):
    """The images that a checkpoint was trained on are no test of it, wherever they lie."""
    info = load_checkpoint(trained).info
    assert len(info["shot_contents"]) == 12
    other = tmp_path / "other"
    for name in ("ant", "bee", "cat"):
        shutil.copytree(photos / name, other / "test" / name)
        (other / "train" / name).mkdir(parents=True)
    make_photos(tmp_path / "more", {"others": 40, "ant": 1, "bee": 1, "cat": 1})
    for name in ("ant", "bee", "cat"):
        shutil.copy(tmp_path / "more" / name / "000.png", other / "train" / name)
    out = tmp_path / "test.json"
    ended = tool("test", tiny_config, trained, "--dataset", "folder", "--data-root", other,
                 "--shots", 1, "--device", "cpu", "--out", out)  # fmt: skip
    assert ended.status == 0, ended.err
    assert ended.out.count("12 of 36 test images are shots that the checkpoint was trained on") == 1
    result = json.loads(out.read_text())
    assert result["duplicates"]["test_in_shots"] == 12
    assert any("12 of 36 test images are shots" in note for note in result["notes"])
