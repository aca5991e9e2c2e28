"""Out-of-distribution sets that hold test images or shots are noticed, by content."""

import json
import shutil

import pytest
from tiny_runs import make_photos

from plp.datasets import Item
from plp.datasets.contents import stamps
from plp.ood.duplicates import find_duplicates_of_sets
from plp.ood.sets import ID, OODSet


def set_of(name, root, *paths):
    return OODSet(name, root, tuple(Item(path, -1) for path in paths), (), "")


@pytest.fixture
def images(tmp_path):
    make_photos(tmp_path, {"one": 9})
    return tmp_path / "one"


def test_each_set_is_counted_by_itself(images):
    shutil.copy(images / "000.png", images / "copy.png")
    inside = set_of(ID, images, "000.png", "001.png")
    a = set_of("a", images, "copy.png", "002.png", "003.png")
    b = set_of("b", images, "003.png", "./003.png", "004.png", "005.png")
    c = set_of("c", images, "006.png")
    shots = stamps(images, [Item("005.png", 0), Item("008.png", 0)])
    found = find_duplicates_of_sets(inside, [a, b, c], shots)
    assert found.counts == {
        "a": {"test": 1, "shots": 0, "other_sets": 1, "repeated": 0},
        "b": {"test": 0, "shots": 1, "other_sets": 2, "repeated": 1},
        "c": {"test": 0, "shots": 0, "other_sets": 0, "repeated": 0},
    }
    one, other = found.notes
    assert one.startswith("a, by content: 1 of 3 images are test images of the in-dist")
    assert other.startswith("b, by content: 1 of 4 images are shots that the checkpoint was tr")


def test_a_set_that_is_the_photos_of_the_run(tool, tiny_config, trained, photos, tmp_path):
    """All photos of the run under other names: 18 test images, 12 shots, 6 of neither."""
    (tmp_path / "same").mkdir()
    for i, path in enumerate(sorted(photos.rglob("*.png"))):
        shutil.copy(path, tmp_path / "same" / f"{i}.png")
    ended = tool("ood", tiny_config, trained, "--dataset", "folder", "--data-root", photos,
                 "--device", "cpu", "--scores", "MCM", "--out", tmp_path / "out",
                 "--ood", f"same={tmp_path / 'same'}")  # fmt: skip
    assert ended.status == 0, ended.err
    assert ended.out.count("same, by content: 18 of 36 images are test images") == 1
    assert "12 of 36 images are shots" in ended.out
    result = json.loads((tmp_path / "out/ood.json").read_text(encoding="utf-8"))
    wanted = {"test": 18, "shots": 12, "other_sets": 0, "repeated": 0}
    assert result["ood_sets"]["same"]["duplicates"] == wanted
    assert 0 < result["processor_seconds"]["checks"] < result["processor_seconds"]["run"]
