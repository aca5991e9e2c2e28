"""FGVC-Aircraft: its lists, its two pools, and what can be wrong with them."""

import pytest
from image_trees import grow

from plp.datasets import BENCHMARKS, build_source, sample
from plp.datasets.aircraft import POOLS
from plp.errors import ConfigError, DataError

NAMES = ("Boeing 737-700", "F/A-18", "DC-3")
LISTS = {
    "train": ["0000003 DC-3", "0000001 Boeing 737-700", "0000002 F/A-18"],
    "val": ["0000004 Boeing 737-700", "0000005 F/A-18", "0000006 DC-3"],
    "test": ["0000007 F/A-18", "0000008 Boeing 737-700", "0000009 DC-3"],
}
LISTS["trainval"] = sorted(LISTS["train"] + LISTS["val"])


@pytest.fixture(params=["fgvc_aircraft", "fgvc_aircraft/data"])
def base(request, tmp_path):
    """The set laid out as CoOp has it, and as the archive has it."""
    base = tmp_path / request.param
    grow(base / "images", [f"{i:07d}.jpg" for i in range(1, 10)])
    (base / "variants.txt").write_text("\n".join(NAMES) + "\n")
    for part, lines in LISTS.items():
        (base / f"images_variant_{part}.txt").write_text("\n".join(lines) + "\n")
    return base


def test_the_lists(base, tmp_path):
    splits = build_source("fgvc_aircraft", tmp_path).splits()
    assert splits.class_names == NAMES
    assert splits.root == base / "images"
    assert [tuple(item) for item in splits.train] == [
        ("0000003.jpg", 2), ("0000001.jpg", 0), ("0000002.jpg", 1),
    ]  # fmt: skip
    assert [item.label for item in splits.val] == [0, 1, 2]
    assert [item.label for item in splits.test] == [1, 0, 2]
    assert "3 train images, published 3334" in splits.notes[0]


def test_the_two_pools(base, tmp_path):
    splits = build_source("fgvc_aircraft", tmp_path, pool="trainval").splits()
    assert [item.path for item in splits.train] == [f"000000{i}.jpg" for i in range(1, 7)]
    assert splits.val == ()
    assert "published 6667" in splits.notes[0]
    draw = sample(splits, 1, seed=1)
    assert len(draw.train) == len(draw.val) == 3
    assert not {*draw.train} & {*draw.val}
    with pytest.raises(ConfigError, match="expected pool 'train' or 'trainval', got 'val'"):
        build_source("fgvc_aircraft", tmp_path, pool="val")
    assert POOLS["train"] == BENCHMARKS["fgvc_aircraft"].counts
    assert POOLS["trainval"].train == sum(POOLS["train"][:2])


def test_a_list_that_is_missing(base, tmp_path):
    (base / "images_variant_val.txt").unlink()
    with pytest.raises(DataError, match=r"no images_variant_val.txt in .*fgvc-aircraft-2013b"):
        build_source("fgvc_aircraft", tmp_path).splits()
    assert build_source("fgvc_aircraft", tmp_path, pool="trainval").splits().train


def test_a_class_that_the_variants_lack(base, tmp_path):
    file = base / "images_variant_test.txt"
    file.write_text(file.read_text().replace("DC-3", "DC-4"))
    with pytest.raises(DataError, match=r"images_variant_test.txt, line 3: .*got '0000009 DC-4'"):
        build_source("fgvc_aircraft", tmp_path).splits()
