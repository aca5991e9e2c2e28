"""ImageNet in its layouts, and the shifted sets of its models, on small trees of all classes."""

import json
import random

import numpy as np
import pytest
from image_trees import grow
from scipy.io import savemat

from plp.datasets import BENCHMARKS, build_source, check_splits, sample
from plp.datasets.imagenet_classes import clip_names, synsets
from plp.datasets.imagenet_val import GROUND_TRUTH, SYNSET_LABELS
from plp.errors import DataError

SYNSETS = synsets()


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A data root with two training images and one validation image per class."""
    root = tmp_path_factory.mktemp("data")
    train = [f"train/{one}/{one}_{i}.JPEG" for one in SYNSETS for i in (10, 9)]
    grow(root / "imagenet/images", train)
    grow(root / "imagenet/images", [f"val/{one}/ILSVRC2012_val_{i:08d}.JPEG"
                                    for i, one in enumerate(SYNSETS, start=1)])  # fmt: skip
    (root / "imagenet/images/train/.hidden").mkdir()
    return root


@pytest.fixture
def flat(whole, tmp_path):
    """The same with flat validation images, in an order of their own; returns their synsets too."""
    base = tmp_path / "imagenet"
    (base / "images").mkdir(parents=True)
    (base / "images/train").symlink_to(whole / "imagenet/images/train")
    grow(base / "images/val", [f"ILSVRC2012_val_{i:08d}.JPEG" for i in range(1, 1001)])
    shown = list(SYNSETS)
    random.Random(0).shuffle(shown)
    return base, shown


def write_devkit(folder, shown, shuffle=True):
    """Write ground truth and meta.mat as the devkit has them: its numbers are not our labels."""
    order = list(SYNSETS)
    if shuffle:
        random.Random(1).shuffle(order)
    numbers = {synset: number for number, synset in enumerate(order, start=1)}
    rows = [(number, synset) for synset, number in numbers.items()] + [(1001, "n00001740")]
    table = np.zeros((len(rows), 1), dtype=[("ILSVRC2012_ID", object), ("WNID", object)])
    table["ILSVRC2012_ID"][:, 0] = [number for number, _ in rows]
    table["WNID"][:, 0] = [synset for _, synset in rows]
    folder.mkdir(parents=True)
    savemat(folder / "meta.mat", {"synsets": table})
    (folder / GROUND_TRUTH).write_text("\n".join(str(numbers[one]) for one in shown) + "\n")


def test_class_folders(whole):
    splits = build_source("imagenet", whole).splits()
    assert [len(part) for part in splits[:3]] == [2000, 0, 1000]
    assert splits.class_names == clip_names()
    assert splits.train[0].path == "train/n01440764/n01440764_10.JPEG", "by name, not by number"
    assert [item.label for item in splits.test] == list(range(1000))
    assert splits.root == whole / "imagenet/images"
    assert all((splits.root / item.path).is_file() for item in splits.train + splits.test)
    assert "2000 train images, published 1281167" in splits.notes[0]
    draw = sample(splits, 1, seed=1)
    assert (len(draw.train), len(draw.val)) == (1000, 1000)


def test_a_folder_without_images_between(whole, tmp_path):
    (tmp_path / "imagenet").symlink_to(whole / "imagenet/images")
    assert len(build_source("imagenet", tmp_path).splits().test) == 1000


def labels_in_order(root, **keywords):
    splits = build_source("imagenet", root, **keywords).splits()
    assert [item.path for item in splits.test] == sorted(item.path for item in splits.test)
    return [SYNSETS[item.label] for item in splits.test]


def test_flat_with_the_devkit(flat, tmp_path):
    base, shown = flat
    write_devkit(base / "ILSVRC2012_devkit_t12/data", shown)
    assert labels_in_order(tmp_path) == shown


def test_flat_with_synsets(flat, tmp_path):
    base, shown = flat
    (base / "images" / SYNSET_LABELS).write_text("\n".join(shown))
    assert labels_in_order(tmp_path) == shown


def test_flat_with_a_file_by_name(flat, tmp_path):
    base, shown = flat
    (base / "mine.txt").write_text("\n".join(shown))
    with pytest.raises(DataError, match=r"no class folders.*devkit_t12.*val_labels=FILE"):
        build_source("imagenet", tmp_path).splits()
    for name in ("mine.txt", base / "mine.txt"):
        assert labels_in_order(tmp_path, val_labels=name) == shown
    with pytest.raises(DataError, match=r"no file of labels 'yours.txt'"):
        build_source("imagenet", tmp_path, val_labels="yours.txt").splits()


def test_ground_truth_without_its_meta(flat, tmp_path):
    base, shown = flat
    write_devkit(base / "devkit", shown)
    (base / "devkit/meta.mat").rename(base / "meta.mat")
    with pytest.raises(DataError, match=r"meta.mat of the devkit is needed beside it"):
        build_source("imagenet", tmp_path).splits()
    (base / "devkit/meta.mat").write_text("nonsense")
    with pytest.raises(DataError, match=r"meta.mat is not the meta.mat of the ILSVRC 2012 devkit"):
        build_source("imagenet", tmp_path).splits()


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (lambda shown: shown[:999], r"'ILSVRC2012_val_00001000.JPEG' has no line in .* has 999"),
        (lambda shown: ["n00000000", *shown[1:]], r"line 1: expected a synset.*got 'n00000000'"),
        (lambda shown: [shown[1], *shown[1:]], r"1 of 1000 classes have no image in val/"),
    ],
)
def test_labels_that_do_not_fit(flat, tmp_path, lines, message):
    base, shown = flat
    (base / SYNSET_LABELS).write_text("\n".join(lines(shown)))
    with pytest.raises(DataError, match=message):
        build_source("imagenet", tmp_path).splits()


def test_files_of_labels_that_are_no_text(flat, tmp_path):
    file = tmp_path / "labels.mat"
    file.write_bytes(b"MATLAB 5.0 \xff\xfe\x00 and so on")
    with pytest.raises(DataError, match=r"labels\.mat"):
        build_source("imagenet", tmp_path, val_labels=str(file)).splits()
    with pytest.raises(DataError, match=r"labels\.mat"):
        build_source("imagenet", tmp_path, class_names=str(file)).splits()


def test_flat_images_without_numbers(flat, tmp_path):
    base, shown = flat
    (base / SYNSET_LABELS).write_text("\n".join(shown))
    (base / "images/val/ILSVRC2012_val_00000001.JPEG").rename(base / "images/val/one.JPEG")
    with pytest.raises(DataError, match=r"'one.JPEG' has no line"):
        build_source("imagenet", tmp_path).splits()


def test_class_names_from_a_file(whole, tmp_path):
    base = tmp_path / "imagenet"
    base.mkdir()
    (base / "images").symlink_to(whole / "imagenet/images")
    lines = [f"{synset} {name}" for synset, name in zip(SYNSETS, clip_names(), strict=True)]
    (base / "classnames.txt").write_text("\n".join(lines) + "\n")
    assert not any("CLIP's" in note for note in build_source("imagenet", tmp_path).splits().notes)
    (base / "classnames.txt").write_text("\n".join(["n01440764 Tinca tinca", *lines[1:]]))
    splits = build_source("imagenet", tmp_path).splits()
    assert splits.class_names == clip_names()
    assert "has 1 names that are not CLIP's ('Tinca tinca' for 'tench', ...)" in splits.notes[0]
    taken = build_source("imagenet", tmp_path, class_names="classnames.txt").splits()
    assert taken.class_names[:2] == ("Tinca tinca", "goldfish")
    (base / "classnames.txt").write_text("\n".join(lines[3:]))
    with pytest.raises(DataError, match=r"3 classes have no name: 'n01440764'"):
        build_source("imagenet", tmp_path, class_names="classnames.txt").splits()
    (base / "classnames.txt").write_text("tench\n")
    with pytest.raises(DataError, match=r"expected lines such as .*, got \['tench'\]"):
        build_source("imagenet", tmp_path, class_names="classnames.txt").splits()
    with pytest.raises(DataError, match=r"'clip' or a file, got 'x.txt'"):
        build_source("imagenet", tmp_path, class_names="x.txt").splits()


def test_a_part_of_imagenet_is_refused(tmp_path):
    grow(tmp_path / "imagenet/images", [
        f"{part}/{one}/1.JPEG" for part in ("train", "val") for one in SYNSETS[:100]
    ])  # fmt: skip
    with pytest.raises(DataError, match=r"900 of 1000 classes have no image in train/.*folder"):
        build_source("imagenet", tmp_path).splits()


def test_folders_that_are_no_classes(tmp_path):
    grow(tmp_path / "imagenet/images", ["train/all/n01440764/1.JPEG", "val/n01440764/1.JPEG"])
    with pytest.raises(DataError, match=r"no class of ImageNet: 'all'.*one level lower"):
        build_source("imagenet", tmp_path).splits()


def test_a_class_folder_without_images(tmp_path):
    grow(tmp_path / "imagenet/images", ["train/n01440764/1.JPEG", "val/n01440764/1.JPEG"])
    (tmp_path / "imagenet/images/train/n01443537").mkdir()
    with pytest.raises(DataError, match=r"class folder .*n01443537' is empty"):
        build_source("imagenet", tmp_path).splits()


def test_no_val_folder(tmp_path):
    grow(tmp_path / "imagenet/images", ["train/n01440764/1.JPEG"])
    with pytest.raises(DataError, match=r"no folder val/ in .*images"):
        build_source("imagenet", tmp_path).splits()


# ------------------------------------------------------------------------------------ shifted sets


def shifted(root, name, folders):
    facts = BENCHMARKS[name]
    grow(root / facts.folder / facts.images, [f"{one}/{i}.jpg" for one in folders for i in (1, 0)])
    return build_source(name, root)


def test_imagenetv2_goes_by_numbers(tmp_path):
    source = shifted(tmp_path, "imagenetv2", range(1000))
    splits = source.splits()
    assert splits.class_names == clip_names()
    assert {(item.path.split("/")[0], item.label) for item in splits.test} == {
        (str(i), i) for i in range(1000)
    }, "folder 10 is label 10, though it sorts after 1"
    assert (source.test_only, source.recipe, source.name) == (True, "imagenet", "imagenetv2")


def test_imagenet_sketch(tmp_path):
    splits = shifted(tmp_path, "imagenet_sketch", SYNSETS).splits()
    assert splits.class_names == clip_names()
    assert [item.label for item in splits.test] == [i for i in range(1000) for _ in range(2)]
    assert [len(part) for part in splits[:3]] == [0, 0, 2000]
    assert check_splits(splits) is splits


@pytest.mark.parametrize("name", ["imagenet_a", "imagenet_r"])
def test_two_hundred_classes_and_their_names(name, tmp_path):
    chosen = random.Random(name).sample(range(1000), 200)
    source = shifted(tmp_path, name, [SYNSETS[i] for i in chosen])
    (source.base / BENCHMARKS[name].images / "README.txt").write_text("not an image")
    splits = source.splits()
    assert splits.class_names == tuple(clip_names()[i] for i in sorted(chosen))
    for path, label in splits.test:
        assert sorted(chosen)[label] == SYNSETS.index(path.split("/")[0])
    assert "400 test images, published" in splits.notes[0]


def test_a_wrong_number_of_classes(tmp_path):
    source = shifted(tmp_path, "imagenet_a", SYNSETS[:199])
    with pytest.raises(DataError, match=r"imagenet_a: expected 200 class folders .* got 199"):
        source.splits()


def test_names_of_a_shifted_set_come_from_the_same_file(tmp_path):
    source = shifted(tmp_path, "imagenetv2", range(1000))
    lines = [f"{synset} class {i}" for i, synset in enumerate(SYNSETS)]
    (source.base / "classnames.txt").write_text("\n".join(lines))
    named = build_source("imagenetv2", tmp_path, class_names="classnames.txt").splits()
    assert named.class_names == tuple(f"class {i}" for i in range(1000))


def test_a_set_for_testing_has_no_shots(tmp_path):
    splits = shifted(tmp_path, "imagenetv2", range(1000)).splits()
    draw = sample(splits, 16, seed=1)
    assert (draw.train, draw.val, draw.test) == ((), (), splits.test)
    assert not any("fewer than" in note for note in draw.notes)
    assert json.dumps(draw.notes)
