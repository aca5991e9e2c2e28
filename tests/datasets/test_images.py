import io
import random

import numpy as np
import pytest
import torch
from PIL import Image

from plp.datasets import ImageDataset, Item, View, read_image, verify_images
from plp.datasets.images import mix_seed
from plp.errors import DataError
from plp.transforms import ClipEval, FewShotTrain


@pytest.fixture
def items(noise_items):
    return noise_items[:4]


@pytest.fixture
def dataset(items, tmp_path):
    return ImageDataset(items, tmp_path, FewShotTrain(16), seed=3, class_names=("cat", "dog"))


def jpeg(width=64, height=48, **options) -> bytes:
    pixels = np.random.default_rng(1).integers(0, 256, (height, width, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", **options)
    return buffer.getvalue()


class TestImageDataset:
    def test_what_a_sample_holds(self, dataset):
        sample = dataset[View(3, 7)]
        assert set(sample) == {"images", "labels", "indices"}
        assert sample["images"].shape == (3, 16, 16)
        assert sample["images"].dtype == torch.uint8
        assert (sample["labels"], sample["indices"], len(dataset)) == (1, 3, 4)
        assert dataset.metainfo == {"classes": ("cat", "dog")}

    def test_the_pixels_are_the_transform_s(self, items, tmp_path):
        transform = ClipEval(16)
        sample = ImageDataset(items, tmp_path, transform)[1]
        assert torch.equal(sample["images"], transform(Image.open(tmp_path / "1.png")))

    def test_a_plain_index_is_view_0(self, dataset):
        assert torch.equal(dataset[2]["images"], dataset[View(2, 0)]["images"])

    def test_pixels_depend_on_seed_index_and_view_alone(self, dataset, items, tmp_path):
        views = [View(i, view) for i in range(4) for view in range(3)]
        first = {which: dataset[which]["images"] for which in views}
        torch.manual_seed(5)
        for which in reversed(views):
            assert torch.equal(dataset[which]["images"], first[which])
        other = ImageDataset(items, tmp_path, FewShotTrain(16), seed=4)
        for which in views:
            assert not torch.equal(other[which]["images"], first[which])
        for i in range(4):
            for view in (1, 2):
                assert not torch.equal(first[View(i, 0)], first[View(i, view)])

    def test_the_same_image_twice_in_a_list_gives_two_views(self, items, tmp_path):
        twice = ImageDataset((items[0], items[0]), tmp_path, FewShotTrain(16))
        assert not torch.equal(twice[0]["images"], twice[1]["images"])

    def test_torch_s_generator_is_put_back(self, dataset):
        torch.manual_seed(11)
        expected = torch.rand(3)
        torch.manual_seed(11)
        dataset[View(0, 1)]
        assert torch.equal(torch.rand(3), expected)

    @pytest.mark.gpu
    @pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
    def test_the_gpu_s_generator_is_left_alone(self, dataset):
        torch.cuda.manual_seed(11)
        expected = torch.rand(3, device="cuda")
        torch.cuda.manual_seed(11)
        dataset[View(0, 1)]
        assert torch.equal(torch.rand(3, device="cuda"), expected)

    def test_no_generator_of_a_gpu_is_reseeded(self, dataset, monkeypatch):
        def fail(*_):
            raise AssertionError("reseeds the GPUs")

        monkeypatch.setattr(torch, "manual_seed", fail)
        monkeypatch.setattr(torch.random, "manual_seed", fail)
        monkeypatch.setattr(torch.cuda, "manual_seed_all", fail)
        assert dataset[View(0, 1)]["images"].shape == (3, 16, 16)

    def test_an_unreadable_image_is_named(self, dataset, tmp_path):
        (tmp_path / "2.png").write_bytes(b"")
        with pytest.raises(
            DataError, match=r"2.png' cannot be read as an image: the file is empty"
        ):
            dataset[2]


def test_mixed_seeds_differ():
    seeds = {mix_seed(*numbers) for numbers in np.ndindex(8, 8, 8)}
    assert len(seeds) == 512
    assert mix_seed(1, 23) != mix_seed(12, 3)
    assert all(0 <= seed < 2**63 for seed in seeds)


class TestReadImage:
    @pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA"])
    def test_png_modes(self, tmp_path, mode):
        Image.new("RGB", (4, 3), (255, 255, 255)).convert(mode).save(tmp_path / "x.png")
        image = read_image(tmp_path / "x.png")
        assert (image.mode, image.size) == ("RGB", (4, 3))
        assert image.getpixel((0, 0)) == (255, 255, 255)

    def test_cmyk_jpeg(self, tmp_path):
        Image.new("CMYK", (8, 8), (0, 255, 255, 0)).save(tmp_path / "x.jpg", quality=95)
        red, green, blue = read_image(tmp_path / "x.jpg").getpixel((4, 4))
        assert red > 250
        assert max(green, blue) < 5

    def test_16_bit_png(self, tmp_path):
        deep = np.array([[0, 32768, 65535]], dtype="<u2")
        Image.frombytes("I;16", (3, 1), deep.tobytes()).save(tmp_path / "x.png")
        image = read_image(tmp_path / "x.png")
        assert [image.getpixel((x, 0))[0] for x in range(3)] == [0, 128, 255]

    def test_the_first_frame_of_an_animation(self, tmp_path):
        frames = [Image.new("P", (4, 4), i) for i in range(2)]
        for frame in frames:
            frame.putpalette([255, 0, 0, 0, 255, 0])
        frames[0].save(tmp_path / "x.gif", save_all=True, append_images=frames[1:])
        assert read_image(tmp_path / "x.gif").getpixel((0, 0)) == (255, 0, 0)

    def test_orientation_is_ignored_unless_asked_for(self, tmp_path):
        exif = Image.Exif()
        exif[0x0112] = 6  # turned by a quarter
        (tmp_path / "x.jpg").write_bytes(jpeg(64, 48, exif=exif))
        assert read_image(tmp_path / "x.jpg").size == (64, 48)
        assert read_image(tmp_path / "x.jpg", exif=True).size == (48, 64)
        grey = Image.new("L", (8, 4))
        grey.save(tmp_path / "grey.jpg", exif=exif)
        assert read_image(tmp_path / "grey.jpg", exif=True).size == (4, 8)


class TestVerifyImages:
    def test_sound_images_pass(self, items, tmp_path):
        assert verify_images(items, tmp_path) is None

    def test_all_unreadable_files_are_in_one_error(self, items, tmp_path):
        whole = jpeg()
        damaged = {
            "empty.png": b"",
            "text.jpg": b"this is no image",
            "cut.jpg": whole[: len(whole) // 2],
            "header.jpg": whole[:20],
            "cut.png": (tmp_path / "0.png").read_bytes()[:600],
        }
        for name, content in damaged.items():
            (tmp_path / name).write_bytes(content)
        Image.new("F", (4, 4), 0.5).save(tmp_path / "float.tif")
        (tmp_path / "directory").mkdir()
        names = [*damaged, "float.tif", "directory", "missing.png"]
        mixed = [*items[:2], *(Item(name, 0) for name in names), *items[2:]]
        random.Random(0).shuffle(mixed)
        with pytest.raises(DataError) as error:
            verify_images(mixed, tmp_path)
        message = str(error.value)
        assert message.startswith("8 of 12 images cannot be read")
        for name in names:
            assert message.count(f"{name}'") == 1
        for name, reason in {
            "empty.png": "the file is empty",
            "text.jpg": "not an image that PIL knows",
            "missing.png": "no such file",
            "float.tif": "floating-point pixels",
            "cut.jpg": "truncated",
        }.items():
            line = next(line for line in message.splitlines() if f"{name}'" in line)
            assert reason in line
        assert not any(f"/{i}.png'" in message for i in range(4))

    @pytest.mark.parametrize("workers", [1, 8])
    def test_a_long_list_is_cut_with_its_count(self, tmp_path, workers):
        missing = [Item(f"{i:02d}.png", 0) for i in range(33)]
        with pytest.raises(DataError, match=r"(?s)33 of 33 images.*and 13 more\n") as error:
            verify_images(missing, tmp_path, workers=workers)
        assert "19.png" in str(error.value)
        assert "20.png" not in str(error.value)
