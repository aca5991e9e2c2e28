"""Memory of an OOD test at the size of ImageNet's: scores are kept, features are not."""

import gc
from pathlib import Path

import pytest
import torch
from tiny_runs import CLASSES

from plp.datasets import ImageDataset, Item
from plp.datasets.images import Sample
from plp.engine.build import build_learner
from plp.engine.config import load_config
from plp.engine.ood_scores import choose_scores
from plp.engine.ood_stream import score_images
from plp.transforms import ClipEval

STATM = Path("/proc/self/statm")
SIZES = {"id": 50_000, "ood": 40_000}
BATCH = 250
PER_IMAGE = 2000  # bytes; a pooled feature of ViT-B/16 has 2048, the dense ones here 18 kB

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not STATM.exists(), reason="resident memory is read from /proc"),
]


def resident():
    """Return the bytes this process has in memory."""
    return int(STATM.read_text().split()[1]) * 4096


class Blank(ImageDataset):
    """A list of images of which none is on disk."""

    def __init__(self, count):
        items = [Item(f"{i:06d}.jpg", i % len(CLASSES)) for i in range(count)]
        super().__init__(items, ".", ClipEval(8))
        self.pixels = torch.zeros(3, 8, 8, dtype=torch.uint8)

    def __getitem__(self, which):
        return Sample(images=self.pixels, labels=self.items[which.item].label, indices=which.item)


@pytest.fixture
def learner(tiny_config, monkeypatch):
    """A learner whose tower is skipped: its features are noise, new ones for each batch.

    Its one branch sees patches and transports nothing, for time.
    """
    config = load_config(tiny_config)
    config.model.branches.pop("local")
    learner = build_learner(config, CLASSES, {"model.branches.global.stream": "vv"})
    pixels = torch.zeros(1, 3, *[learner.backbone.image_size] * 2, dtype=torch.uint8)
    one = learner.encode_image(pixels, references=True)
    encode = learner.encode_image

    def features(images, references=False):
        if not isinstance(images, torch.Tensor):
            return encode(images, references=references)
        learner.seen.append(resident())

        def noise(like):
            return torch.randn(len(images), *like.shape[1:]).mul_(0.1).add_(like)

        dense = {name: noise(stream) for name, stream in one.dense.items()}
        return one._replace(pooled=noise(one.pooled), dense=dense)

    learner.seen = []
    monkeypatch.setattr(learner, "encode_image", features)
    return learner


def growth(learner, count, labelled, keep=None):
    """Return bytes an image by which memory grew, from the fifth of the batches on."""
    gc.collect()
    learner.seen.clear()
    found = score_images(
        learner, choose_scores(learner), Blank(count), batch_size=BATCH, num_workers=0,
        labelled=labelled, export=keep == "export",
    )  # fmt: skip
    assert all(len(value) == count for value in found.scores.values())
    first = len(learner.seen) // 5
    return (max(learner.seen[first:]) - learner.seen[first]) / (count * 4 / 5)


def test_ninety_thousand_images(learner):
    grown = {name: growth(learner, size, name == "id") for name, size in SIZES.items()}
    print({name: f"{value:.0f} bytes an image" for name, value in grown.items()})
    assert max(grown.values()) < PER_IMAGE, grown


def test_features_that_are_kept_would_be_noticed(learner, monkeypatch):
    kept, encode = [], learner.encode_image

    def keeping(images, references=False):
        found = encode(images, references=references)
        kept.append(found)
        return found

    monkeypatch.setattr(learner, "encode_image", keeping)
    assert growth(learner, 10_000, labelled=False) > PER_IMAGE
