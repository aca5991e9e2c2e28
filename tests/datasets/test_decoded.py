"""Images decoded beforehand: the same pixels, each file read once, for all workers."""

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader

from plp.datasets import ImageDataset, Item, View, decode_images, decoded, read_image
from plp.errors import DataError
from plp.transforms import FewShotTrain

ONE = 3 * 40 * 50  # bytes of an image of `noise_items`


@pytest.fixture
def sizes(tmp_path):
    """Images of many sizes and modes; the sides say which."""
    modes = ("RGB", "L", "RGBA", "P", "CMYK")
    generator = np.random.default_rng(1)
    for i, mode in enumerate(modes):
        noise = generator.integers(0, 256, (5 + i, 9 - i, 3), dtype=np.uint8)
        Image.fromarray(noise).convert(mode).save(tmp_path / f"{mode}.tif")
    return tuple(Item(f"{mode}.tif", 0) for mode in modes)


def assert_same_image(found, expected):
    assert (found.mode, found.size) == (expected.mode, expected.size) == ("RGB", expected.size)
    assert np.array_equal(np.asarray(found), np.asarray(expected))


@pytest.mark.parametrize("workers", [0, 1, 3])
@pytest.mark.parametrize(("block", "count"), [(1, 25), (300, 13), (decoded._BLOCK, 1)])
def test_they_are_what_reading_gives(sizes, tmp_path, monkeypatch, block, count, workers):
    monkeypatch.setattr(decoded, "_BLOCK", block)
    items = sizes * 5
    kept = decode_images(items, tmp_path, limit=5 * 705, workers=workers)
    assert list(kept) == list(range(25))
    assert len(kept.blocks) == count
    for i, item in enumerate(items):
        assert_same_image(kept[i], read_image(tmp_path / item.path))


def test_no_transform_changes_what_is_kept(noise_items, tmp_path):
    kept = decode_images(noise_items, tmp_path, limit=10 * ONE)
    kept[3].paste((0, 0, 0), (0, 0, 50, 40))
    assert_same_image(kept[3], read_image(tmp_path / "3.png"))


def test_upright_if_the_data_set_is(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by a quarter
    Image.new("RGB", (8, 4)).save(tmp_path / "x.jpg", exif=exif)
    turned = [decode_images([Item("x.jpg", 0)], tmp_path, 96, exif=exif) for exif in (False, True)]
    assert [one[0].size for one in turned] == [(8, 4), (4, 8)]


@pytest.mark.parametrize(("limit", "count"), [(0, 0), (ONE - 1, 0), (ONE, 1), (3 * ONE + 5, 3)])
def test_the_limit_holds(noise_items, tmp_path, limit, count):
    kept = decode_images(noise_items, tmp_path, limit)
    assert list(kept) == list(range(count))
    assert sum(len(block) for block in kept.blocks) == count * ONE


def test_little_is_decoded_beyond_the_limit(noise_items, tmp_path, monkeypatch):
    reads = []
    monkeypatch.setattr(decoded, "read_image", lambda *a, **k: reads.append(a) or read_image(*a))
    decode_images(noise_items * 10, tmp_path, limit=2 * ONE, workers=1)
    assert len(reads) == decoded._AHEAD


def test_a_data_set_reads_what_is_not_kept_and_names_what_cannot_be(noise_items, tmp_path):
    plain = ImageDataset(noise_items, tmp_path, FewShotTrain(16), seed=3)
    expected = [plain[View(i, 1)]["images"] for i in range(10)]
    (tmp_path / "1.png").write_bytes(b"")
    images = ImageDataset(noise_items, tmp_path, FewShotTrain(16), seed=3)
    images.decoded = decode_images(noise_items, tmp_path, limit=4 * ONE)
    assert list(images.decoded) == [0, 2, 3, 4]
    for i in images.decoded:
        (tmp_path / f"{i}.png").unlink()
    for i in set(range(10)) - {1}:
        assert torch.equal(images[View(i, 1)]["images"], expected[i])
    with pytest.raises(DataError, match=r"1.png' cannot be read as an image: the file is empty"):
        images[1]


@pytest.mark.parametrize("method", ["fork", pytest.param("spawn", marks=pytest.mark.slow)])
def test_workers_see_them_however_they_start(noise_items, tmp_path, monkeypatch, method):
    monkeypatch.setattr(decoded, "_BLOCK", 4 * ONE)
    images = ImageDataset(noise_items, tmp_path, FewShotTrain(16), seed=3)
    expected = torch.stack([images[i]["images"] for i in range(10)])
    images.decoded = decode_images(noise_items, tmp_path, limit=10 * ONE)
    for item in noise_items:
        (tmp_path / item.path).unlink()
    loader = DataLoader(images, batch_size=3, num_workers=2, multiprocessing_context=method)
    assert torch.equal(torch.cat([batch["images"] for batch in loader]), expected)
    # What is forked has the parent's pages; what is spawned has not, and gets shared memory.
    assert [block.is_shared() for block in images.decoded.blocks] == [method == "spawn"] * 3
