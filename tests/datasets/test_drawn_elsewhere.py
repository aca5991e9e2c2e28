"""Our draws against those another repository published: positions in CoOp's lists.

github.com/linzhiqiu/cross_modal_adaptation has, in `indices/`, draws by CoOp's rule of eleven data
sets with the positions of the images in CoOp's lists. Of Food-101 and SUN397 no split file is at
hand; positions follow from the sizes of their classes, and so confirm these.
"""

import hashlib
import json
from pathlib import Path

import pytest
from image_trees import SPLITS_ROOT
from representatives import slow_but

from plp.datasets import BENCHMARKS, Item, Splits, sample

SHOTS = (1, 2, 4, 8, 16)
# SHA-256, first 16 digits, of seeds 1, 2, 3: for each number of shots the positions of the shots,
# then of the validation images, joined with commas, each list with a semicolon behind it.
PUBLISHED = {
    "caltech101": ("29f422217839263e", "f6fb6ffa940b7dac", "ed16df63e7618245"),
    "dtd": ("39b0672c174aee7b", "fd8767ccd21fef68", "e3a9af760c61478b"),
    "eurosat": ("0a8ef18724025461", "4886fd5d37a28a08", "6bd0b9c4bd689a47"),
    "oxford_flowers": ("9e2b0bd76402bda4", "12790cad169d944e", "555639306f3876a4"),
    "oxford_pets": ("a5e8936cc12e5a80", "1ebb3857571a988f", "4428493dcad42b99"),
    "stanford_cars": ("015981f711d48c43", "6bd2c482e0aa7929", "6758f0b17d7a6e77"),
    "ucf101": ("8332a1c879171be0", "cd2e53b432212d5d", "4b8f65e81567d0a9"),
    "food101": ("d71f0d83cdb5e5da", "1eb365c2f1be6de1", "fa3b78be6ccb6b50"),
    "sun397": ("a4aa88f14beba319", "d1456cbaffaa0437", "e95f9ca4b724108d"),
}
BY_SIZE = ("food101", "sun397")  # all classes of one size, one after the other


def positions(items, drawn):
    places = {item.path: place for place, item in enumerate(items)}
    return ",".join(str(places[item.path]) for item in drawn) + ";"


def digest(splits, seed):
    found = hashlib.sha256()
    for shots in SHOTS:
        draw = sample(splits, shots, seed)
        for part in ("train", "val"):
            text = positions(getattr(splits, part), getattr(draw, part))
            found.update(text.encode())
    return found.hexdigest()[:16]


def of_equal_classes(name, sizes, classes):
    """A dataset of which nothing is known but its sizes."""
    parts = (
        tuple(Item(f"{part}/{i}.jpg", i * classes // size) for i in range(size))
        for part, size in zip(("train", "val", "test"), sizes, strict=True)
    )
    return Splits(*parts, tuple(map(str, range(classes))), name, Path())


def from_split_file(name):
    file = SPLITS_ROOT / BENCHMARKS[name].split.file
    if not file.is_file():
        pytest.skip("no published split files (PLP_SPLITS_ROOT)")
    rows = json.loads(file.read_text(encoding="utf-8"))
    names = {label: class_name for _, label, class_name in rows["train"]}
    parts = (tuple(Item(*row[:2]) for row in rows[part]) for part in ("train", "val", "test"))
    return Splits(*parts, tuple(names[i] for i in range(len(names))), name, Path())


@pytest.mark.parametrize(
    "name", slow_but([one for one in PUBLISHED if one != "food101"], PUBLISHED)
)
@pytest.mark.filterwarnings("ignore:.*fewer than")
def test_positions_are_those_published(name):
    facts = BENCHMARKS[name]
    if name in BY_SIZE:
        splits = of_equal_classes(name, facts.counts, facts.classes)
    else:
        splits = from_split_file(name)
    assert tuple(digest(splits, seed) for seed in (1, 2, 3)) == PUBLISHED[name]


def test_one_image_more_would_be_noticed():
    train, val, test = BENCHMARKS["sun397"].counts
    other = of_equal_classes("sun397", (train + 397, val, test), 397)
    assert digest(other, 1) != PUBLISHED["sun397"][0]
