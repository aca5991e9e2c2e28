"""Memory of an OOD test at the size of ImageNet's: scores are kept, features are not.

Each measurement has a process of its own. In one that ran other tests, memory that these gave back
is taken again without the process growing, and features that are kept would not be noticed.
"""

from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pytest
import torch
from processes import context
from tiny_runs import CLASSES

from plp.config.load import load_config
from plp.datasets import ImageDataset, Item
from plp.datasets.decoding import Decoded, Traits
from plp.datasets.images import Sample
from plp.engine.build import build_learner
from plp.ood.stream import score_images
from plp.scoring.choose import choose_scores
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

    def look(self, index):
        return Decoded(None, Traits())

    def sample(self, which, image):
        return Sample(images=self.pixels, labels=self.items[which.item].label, indices=which.item)


def noisy_learner(config_file, keep):
    """Return a learner whose tower is skipped, and the list of what memory was at each batch.

    Its features are noise, new ones for each batch. Its one branch sees patches and transports
    nothing, for time.

    Args:
        config_file: Of a run on the tiny backbone.
        keep: Whether to do the wrong thing, and keep all features.
    """
    config = load_config(config_file)
    config.model.branches.pop("local")
    learner = build_learner(config, CLASSES, {"model.branches.global.stream": "vv"})
    pixels = torch.zeros(1, 3, *learner.backbone.image_size, dtype=torch.uint8)
    one = learner.encode_image(pixels, references=True)
    encode, seen, kept = learner.encode_image, [], []

    def features(images, references=False):
        if not isinstance(images, torch.Tensor):
            return encode(images, references=references)
        seen.append(resident())

        def noise(like):
            return torch.randn(len(images), *like.shape[1:]).mul_(0.1).add_(like)

        dense = {name: noise(stream) for name, stream in one.dense.items()}
        found = one._replace(pooled=noise(one.pooled), dense=dense)
        if keep:
            kept.append(found)
        return found

    learner.encode_image = features
    return learner, seen


def growth(config_file, count, labelled, keep=False):
    """Return bytes per image by which memory grew, from the fifth of the batches on."""
    learner, seen = noisy_learner(config_file, keep)
    found = score_images(
        learner, choose_scores(learner), Blank(count), batch_size=BATCH, num_workers=0,
        labelled=labelled, export=False,
    )  # fmt: skip
    assert all(len(value) == count for value in found.scores.values())
    first = len(seen) // 5
    return (max(seen[first:]) - seen[first]) / (count * 4 / 5)


def growth_in_a_new_process(*arguments):
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        return pool.submit(growth, *arguments).result()


def test_ninety_thousand_images(tiny_config):
    grown = {
        name: growth_in_a_new_process(tiny_config, size, name == "id")
        for name, size in SIZES.items()
    }
    print({name: f"{value:.0f} bytes per image" for name, value in grown.items()})
    assert max(grown.values()) < PER_IMAGE, grown


def test_features_that_are_kept_would_be_noticed(tiny_config):
    assert growth_in_a_new_process(tiny_config, 10_000, False, True) > 4 * PER_IMAGE
