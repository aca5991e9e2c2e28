"""Features of OOD images on disk: the same numbers, each image encoded once for all methods."""

import pytest
import torch
from PIL import Image
from tiny_runs import CLASSES, make_photos
from torch.testing import assert_close

from plp.datasets import ImageDataset, Item
from plp.engine.build import build_learner
from plp.errors import DataError
from plp.ood.cache import store_features
from plp.ood.stream import score_images
from plp.scoring.choose import choose_scores
from plp.transforms import ClipEval


@pytest.fixture(scope="module")
def learner(tiny_config):
    return build_learner(tiny_config, CLASSES)


@pytest.fixture
def listed(tmp_path, learner):
    """A list of images of which the fourth is damaged, and the eighth a copy of the first."""
    root = make_photos(tmp_path / "images", {"x": 7})
    (root / "x" / "003.png").write_bytes(b"no image")
    (root / "x" / "007.png").write_bytes((root / "x" / "000.png").read_bytes())
    items = [Item(f"x/{i:03d}.png", -1) for i in range(8)]
    return ImageDataset(items, root, ClipEval(learner.backbone.image_size))


def scored(learner, images, stored=None, on_error="skip"):
    return score_images(
        learner, choose_scores(learner), images, batch_size=3, num_workers=0, stored=stored,
        on_error=on_error, export=True,
    )  # fmt: skip


def test_the_same_numbers(learner, listed, tmp_path):
    plain = scored(learner, listed)
    for _ in ("written", "read again"):
        stored = store_features(learner, listed, tmp_path / "cache", 3, 0)
        cached = scored(learner, listed, stored)
        assert cached.indices.tolist() == plain.indices.tolist() == [0, 1, 2, 4, 5, 6, 7]
        assert cached.unreadable == plain.unreadable
        assert set(cached.scores) == set(plain.scores)
        for name, value in plain.scores.items():
            assert_close(cached.scores[name], value, rtol=1e-5, atol=1e-6)
        assert_close(cached.export.logits, plain.export.logits, rtol=1e-5, atol=1e-4)


def test_an_image_is_encoded_once_for_all_methods(learner, listed, tmp_path, monkeypatch):
    seen = []
    encode = type(learner.backbone).encode_image

    def counting(self, images, streams=()):
        seen.append(len(images))
        return encode(self, images, streams)

    monkeypatch.setattr(type(learner.backbone), "encode_image", counting)
    store_features(learner, listed, tmp_path / "cache", 3, 0)
    assert sum(seen) == 6, "seven can be read, two of them are copies"
    with torch.no_grad():
        for parameter in learner.branches.parameters():
            parameter.add_(0.1)  # another method on the same tower
    stored = store_features(learner, listed, tmp_path / "cache", 3, 0)
    scored(learner, listed, stored)
    assert sum(seen) == 6


def test_a_damaged_image_stops_the_test_if_it_should(learner, listed, tmp_path):
    stored = store_features(learner, listed, tmp_path / "cache", 3, 0)
    with pytest.raises(DataError, match=r"003\.png.*image 4 of 8.*--on-error skip"):
        scored(learner, listed, stored, on_error="stop")


def test_nothing_readable_gives_no_features(learner, tmp_path):
    (tmp_path / "a.png").write_bytes(b"")
    images = ImageDataset([Item("a.png", -1)], tmp_path, ClipEval(learner.backbone.image_size))
    assert store_features(learner, images, tmp_path / "cache", 3, 0) is None


def test_a_folder_that_cannot_be_written_is_no_obstacle(learner, listed, tmp_path, caplog):
    (tmp_path / "file").write_text("")
    assert store_features(learner, listed, tmp_path / "file" / "cache", 3, 0) is None


def test_another_transform_is_another_store(learner, listed, tmp_path):
    store_features(learner, listed, tmp_path / "cache", 3, 0)

    def crop(image: Image.Image):
        raise AssertionError("never called")

    own = ImageDataset(listed.items, listed.root, crop)
    assert store_features(learner, own, tmp_path / "cache", 3, 0) is None
