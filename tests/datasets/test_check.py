"""`tools/data.py check`: what is there, what is missing, what to do."""

import shutil

import pytest
from image_trees import grow, write_split

from plp.cli.data import main
from plp.datasets import BENCHMARKS, OOD_BENCHMARKS, Item, find_ood_folder
from plp.datasets.benchmarks import Counts
from plp.datasets.check import Found, check_benchmark, missing_files, other_roots
from plp.datasets.imagenet_classes import clip_names, synsets
from plp.datasets.walk import walk_images
from plp.errors import DataError, UnknownComponentError
from plp.ood.sets import list_ood_set


@pytest.fixture
def eurosat(tmp_path, monkeypatch):
    """A small EuroSAT that passes for the published one."""
    facts = BENCHMARKS["eurosat"]
    split = facts.split._replace(digest=None)
    small = facts._replace(classes=2, counts=Counts(16, 2, 2), split=split)
    monkeypatch.setitem(BENCHMARKS, "eurosat", small)
    base = tmp_path / "eurosat"
    write_split(base / split.file, ("Forest", "River"), per_class=10)
    grow(base / "2750", [f"{name}/{i}.jpg" for name in ("Forest", "River") for i in range(10)])
    return base


def test_a_whole_set(eurosat, tmp_path):
    check = check_benchmark("eurosat", tmp_path, read=True)
    counts = {"train": 16, "val": 2, "test": 2}
    assert check[:5] == ("eurosat", Found.WHOLE, counts, counts, "")
    assert check.details[0] == f"images: {eurosat / '2750'}"
    assert check.details[1] == "classes: 2, 'Forest', 'River'"


def test_the_first_ten_missing_files_are_named(eurosat, tmp_path):
    for i in range(10):
        (eurosat / f"2750/River/{i}.jpg").unlink()
    (eurosat / "2750/Forest/3.jpg").unlink()
    check = check_benchmark("eurosat", tmp_path)
    assert check.found is Found.BROKEN
    assert check.counts == {"train": 7, "val": 1, "test": 1}, "0.jpg is to validate, 1.jpg to test"
    assert "11 of 20 images are missing in" in check.problem
    assert check.problem.count(".jpg'") == 10
    assert "'Forest/3.jpg', 'River/2.jpg'" in check.problem, "in the order of the lists"
    assert "and 1 more" in check.problem


def test_images_that_cannot_be_read(eurosat, tmp_path):
    (eurosat / "2750/River/4.jpg").unlink()
    (eurosat / "2750/River/4.jpg").write_bytes(b"no image")
    assert check_benchmark("eurosat", tmp_path).found is Found.WHOLE
    check = check_benchmark("eurosat", tmp_path, read=True)
    assert check.found is Found.BROKEN
    assert "1 of 20 images cannot be read" in check.problem
    assert "River/4.jpg" in check.problem


def test_another_split(eurosat, tmp_path):
    write_split(eurosat / "split_zhou_EuroSAT.json", ("Forest", "River"), per_class=8)
    check = check_benchmark("eurosat", tmp_path)
    assert (check.found, check.counts["train"]) == (Found.OTHER, 12)
    assert "12 train images, published 16" in check.problem


def test_what_is_not_there(eurosat, tmp_path):
    (eurosat / "split_zhou_EuroSAT.json").unlink()
    check = check_benchmark("eurosat", tmp_path)
    assert check.found is Found.BROKEN
    assert "drive.google.com" in check.problem
    assert "download" not in check.problem, "the images are there"
    assert check.details == ("expected: 2 classes, train 16, val 2, test 2",)
    (eurosat / "2750").rename(eurosat / "x")
    assert "data.py download eurosat --root DIR" in check_benchmark("eurosat", tmp_path).problem
    check = check_benchmark("stanford_cars", tmp_path)
    assert check.found is Found.NOTHING
    assert "links are dead" in check.problem


def test_other_class_names_are_no_fault(tmp_path, monkeypatch):
    facts = BENCHMARKS["imagenetv2"]._replace(counts=Counts(None, None, 1000))
    monkeypatch.setitem(BENCHMARKS, "imagenetv2", facts)
    base = tmp_path / facts.folder
    grow(base / facts.images, [f"{i}/0.jpg" for i in range(1000)])
    names = ["one more", *clip_names()[1:]]
    lines = [f"{synset} {name}" for synset, name in zip(synsets(), names, strict=True)]
    (base / "classnames.txt").write_text("\n".join(lines))
    check = check_benchmark("imagenetv2", tmp_path)
    assert check.found is Found.WHOLE
    assert "1 names that are not CLIP's" in check.details[-1]


def test_sets_under_another_root_are_found(eurosat, tmp_path):
    data = tmp_path / "top/data"
    data.mkdir(parents=True)
    eurosat.rename(data / "eurosat")
    assert other_roots(data) == {}
    assert other_roots(data.parent) == {data: ["eurosat"]}
    assert other_roots(data / "eurosat/2750") == {data: ["eurosat"]}


def test_missing_files_without_their_folder(tmp_path):
    grow(tmp_path, ["a/1.jpg", "2.jpg"])
    items = [Item(path, 0) for path in ("a/1.jpg", "a/2.jpg", "b/1.jpg", "2.jpg", "3.jpg")]
    assert missing_files(items, tmp_path) == ["a/2.jpg", "b/1.jpg", "3.jpg"]


def test_an_unknown_name(tmp_path):
    with pytest.raises(UnknownComponentError, match=r"among caltech101, .*textures, got 'x'"):
        check_benchmark("x", tmp_path)


# ----------------------------------------------------------------------- out-of-distribution sets


@pytest.mark.parametrize(
    ("name", "folder"),
    [(name, folder) for name, one in OOD_BENCHMARKS.items() for folder in one.folders],
)
def test_ood_sets_lie_where_the_field_puts_them(name, folder, tmp_path):
    grow(tmp_path / folder, ["images/a.jpg", "b.JPEG"])
    assert find_ood_folder(name, tmp_path) == tmp_path / folder
    check = check_benchmark(name, tmp_path)
    assert (check.found, check.counts) == (Found.OTHER, {"images": 2})
    assert check.expected == {"images": OOD_BENCHMARKS[name].size}
    assert f"published {OOD_BENCHMARKS[name].size}: numbers are not comparable" in check.problem
    assert OOD_BENCHMARKS[name].by_hand in check.problem


def test_textures_are_all_images_of_dtd_and_not_its_test_list(tmp_path, monkeypatch):
    base = tmp_path / "dtd"
    write_split(base / "split_zhou_DescribableTextures.json", ("banded", "dotted"))
    grow(base / "images", [f"{name}/{i}.jpg" for name in ("banded", "dotted") for i in range(4)])
    found = list_ood_set("textures", find_ood_folder("textures", tmp_path))
    assert len(found.items) == 8
    assert len(list_ood_set("dtd", base).items) == 2, "the test images, as for any other set"
    facts = OOD_BENCHMARKS["textures"]._replace(size=8)
    monkeypatch.setitem(OOD_BENCHMARKS, "textures", facts)
    assert check_benchmark("textures", tmp_path, read=True).found is Found.WHOLE
    victim = next(walk_images(base))
    victim.unlink()
    victim.write_bytes(b"")
    check = check_benchmark("textures", tmp_path, read=True)
    assert "the file is empty" in check.problem


def test_an_ood_set_that_is_not_there(tmp_path):
    with pytest.raises(DataError, match=r"none of iNaturalist, .*tar.gz.*inaturalist=FOLDER"):
        find_ood_folder("inaturalist", tmp_path)
    with pytest.raises(UnknownComponentError, match="inaturalist, sun, places, textures"):
        find_ood_folder("svhn", tmp_path)
    assert check_benchmark("places", tmp_path).found is Found.NOTHING


def test_a_folder_of_one_s_own(tmp_path, make_images, capsys):
    make_images(tmp_path, {"cat": 6, "dog": 6})
    (tmp_path / "cat" / "IMG_1.HEIC").write_bytes(b"x")
    main(["check", "folder", "--root", str(tmp_path), "--read"])
    told = capsys.readouterr().out
    assert ": ok (train " in told
    assert "classes: 2, 'cat (6)', 'dog (6)'" in told
    assert "1 HEIC image ('cat/IMG_1.HEIC')" in told
    (tmp_path / "dog" / "000.png").write_bytes(b"x")
    with pytest.raises(SystemExit):
        main(["check", "folder", "--root", str(tmp_path), "--read"])
    assert "1 of 12 images cannot be read" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        main(["check", "folder", "--root", str(tmp_path / "cat")])
    assert "no sub-folder" in capsys.readouterr().out


def test_a_folder_that_training_refuses_is_not_ok(tmp_path, make_images, capsys):
    make_images(tmp_path, {"cat": 6, "dog": 6})
    shutil.copy(tmp_path / "cat" / "001.png", tmp_path / "dog" / "same.png")
    with pytest.raises(SystemExit):
        main(["check", "folder", "--root", str(tmp_path)])
    told = capsys.readouterr().out
    assert ": cannot be used (train " in told
    assert "1 image stands in several classes: " in told
    assert "data.two_labels=report" in told
