"""Files whose pixels do not mean what their numbers say: depth, polarity, orientation, rasters."""

import io
import logging
import subprocess
import sys
import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image
from tiff_files import write_tiff

from plp.datasets import read_image
from plp.datasets.decoding import PLAIN, decode_file, glance
from plp.errors import DataError

RAMP = np.arange(256, dtype=np.uint8).reshape(16, 16)


def grey(image):
    pixels = np.asarray(image)
    assert pixels.shape[-1] == 3
    return pixels[..., 0]


def stored(values):
    """Values 0..255 as a file of each depth holds them, and what is read of them."""
    return {
        "1 bit": (values > 100, 255 * (values > 100)),
        "8 bit": (values, values),
        "16 bit": (values.astype(np.uint16) * 257, values),
    }


class TestPolarity:
    @pytest.mark.parametrize("big_endian", [False, True], ids=["II", "MM"])
    @pytest.mark.parametrize("depth", ["1 bit", "8 bit", "16 bit"])
    def test_white_is_zero_is_undone_at_every_depth(self, tmp_path, depth, big_endian):
        pixels, expected = stored(RAMP)[depth]
        write = {"big_endian": big_endian}
        black = write_tiff(tmp_path / "black.tif", pixels, **write)
        white = write_tiff(tmp_path / "white.tif", pixels, white_is_zero=True, **write)
        np.testing.assert_array_equal(grey(read_image(black)), expected)
        np.testing.assert_array_equal(grey(read_image(white)), 255 - expected)

    @pytest.mark.parametrize("compression", ["tiff_lzw", "tiff_adobe_deflate", "packbits"])
    def test_compressed_files_too(self, tmp_path, compression):
        deep = Image.fromarray(RAMP.astype(np.uint16) * 257)
        for number in (0, 1):  # PIL stores these as they are, whatever the tag says
            options = dict(compression=compression, tiffinfo={262: number})
            deep.save(tmp_path / f"{number}.tif", **options)
        white, black = (grey(read_image(tmp_path / f"{number}.tif")) for number in (0, 1))
        np.testing.assert_array_equal(black, RAMP)
        np.testing.assert_array_equal(white, 255 - RAMP)

    def test_with_a_range_of_values(self, tmp_path):
        path = write_tiff(tmp_path / "x.tif", RAMP.astype(np.uint16) * 16, white_is_zero=True)
        found = grey(read_image(path, value_range=(0, 255 * 16)))
        np.testing.assert_array_equal(found, 255 - RAMP)

    def test_floats_with_a_range(self, tmp_path):
        path = write_tiff(tmp_path / "x.tif", (RAMP / 255).astype(np.float32), white_is_zero=True)
        np.testing.assert_array_equal(grey(read_image(path, value_range=(0, 1))), 255 - RAMP)


class TestDepth:
    def test_twelve_bits_that_a_file_declares_are_its_range(self, tmp_path):
        values = np.linspace(0, 4095, 256).round().astype(np.uint16).reshape(16, 16)
        for white in (False, True):
            path = write_tiff(tmp_path / "x.tif", values, bits=12, white_is_zero=white)
            found = decode_file(path)
            np.testing.assert_array_equal(grey(found.image), 255 - RAMP if white else RAMP)
            assert found.traits == PLAIN

    @pytest.mark.parametrize("mode", ["I;16", "I;16B", "I"])
    def test_a_range_scales_and_clips(self, tmp_path, mode):
        values = np.array([[0, 100, 2148, 4095, 5000]])
        kind = {"I;16": "<u2", "I;16B": ">u2", "I": "<i4"}[mode]
        image = Image.frombytes(mode, (5, 1), values.astype(kind).tobytes())
        image.save(tmp_path / "x.tif")
        found = decode_file(tmp_path / "x.tif", value_range=(100, 4095))
        assert grey(found.image)[0].tolist() == [0, 0, 131, 255, 255]
        assert (found.traits.depth, found.traits.low, found.traits.high) == ("grey", 0, 5000)

    def test_the_full_range_is_what_is_read_without_one(self, tmp_path):
        values = np.random.default_rng(0).integers(0, 65536, (64, 64), dtype=np.uint16)
        Image.fromarray(values).save(tmp_path / "x.png")
        plain, asked = (
            grey(read_image(tmp_path / "x.png", value_range=r)) for r in (None, (0, 65535))
        )
        np.testing.assert_array_equal(plain, (values.astype(np.int64) * 255 + 32767) // 65535)
        np.testing.assert_array_equal(asked, plain)

    def test_eight_bit_images_have_a_range_of_their_own(self, tmp_path):
        Image.fromarray(RAMP).save(tmp_path / "x.png")
        np.testing.assert_array_equal(
            grey(read_image(tmp_path / "x.png", value_range=(0, 9))), RAMP
        )

    def test_floats_and_signed_numbers_need_a_range(self, tmp_path):
        floats = write_tiff(tmp_path / "f.tif", np.array([[-1, 0, 1]], np.float32))
        signed = write_tiff(tmp_path / "s.tif", np.array([[-1000, 0, 1000]], np.int32))
        with pytest.raises(DataError, match=r"no defined range \(-1..1 here\).*value_range"):
            read_image(floats)
        with pytest.raises(DataError, match=r"got -1000..1000; .*data.value_range"):
            read_image(signed)
        assert grey(read_image(floats, value_range=(-1, 1)))[0].tolist() == [0, 128, 255]
        assert grey(read_image(signed, value_range=(-1000, 1000)))[0].tolist() == [0, 128, 255]
        broken = write_tiff(tmp_path / "n.tif", np.array([[np.nan, 0, np.inf]], np.float32))
        with pytest.raises(DataError, match="2 of 3 values are not finite"):
            read_image(broken, value_range=(0, 1))

    def test_sixteen_bit_colours_are_noticed(self, tmp_path):
        path = write_tiff(tmp_path / "x.tif", np.full((4, 4, 3), 4095, np.uint16))
        found = decode_file(path)
        assert (found.traits.depth, found.traits.high) == ("colour", 4095)
        assert glance(path) == found.traits
        assert grey(read_image(path, value_range=(0, 4095))).min() == 240  # PIL keeps 8 bits


class TestOrientation:
    @pytest.mark.parametrize("orientation", range(1, 9))
    @pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
    def test_all_eight_as_pil_turns_them(self, tmp_path, orientation, kind):
        from PIL import ImageOps

        pixels = np.random.default_rng(0).integers(0, 256, (6, 9, 3), dtype=np.uint8)
        exif = Image.Exif()
        exif[0x0112] = orientation
        path = tmp_path / "x"
        Image.fromarray(pixels).save(path, kind, exif=exif)
        with Image.open(path) as image:
            plain, turned = np.asarray(image), np.asarray(ImageOps.exif_transpose(image))
        np.testing.assert_array_equal(np.asarray(read_image(path)), plain)
        np.testing.assert_array_equal(np.asarray(read_image(path, exif=True)), turned)
        assert decode_file(path).traits.orientation == glance(path).orientation == orientation

    def test_an_upright_image_is_not_turned_again(self, tmp_path):
        exif = Image.Exif()
        exif[0x0112] = 6
        Image.new("RGB", (8, 4)).save(tmp_path / "x.jpg", exif=exif)
        once = read_image(tmp_path / "x.jpg", exif=True)
        once.save(tmp_path / "again.png")
        assert once.getexif().get(0x0112) is None
        assert read_image(tmp_path / "again.png", exif=True).size == once.size == (4, 8)

    @pytest.mark.parametrize("value", [0, 9, 65535])
    def test_values_that_mean_nothing_turn_nothing(self, tmp_path, value):
        exif = Image.Exif()
        exif[0x0112] = value
        Image.new("RGB", (8, 4)).save(tmp_path / "x.jpg", exif=exif)
        assert read_image(tmp_path / "x.jpg", exif=True).size == (8, 4)
        assert decode_file(tmp_path / "x.jpg").traits == PLAIN

    @pytest.mark.parametrize("orientation", range(1, 9))
    @pytest.mark.parametrize("compression", ["raw", "tiff_lzw"])
    def test_tiffs_are_turned_whatever_is_asked_for(self, tmp_path, orientation, compression):
        """By PIL; uncompressed files by their names it turns into noise."""
        image = Image.fromarray(RAMP[:4, :8].copy())
        options = dict(compression=compression, tiffinfo={0x0112: orientation})
        image.save(tmp_path / "x.tif", **options)
        exif = Image.Exif()
        exif[0x0112] = orientation
        image.save(tmp_path / "x.png", exif=exif)
        expected = np.asarray(read_image(tmp_path / "x.png", exif=True))
        for exif in (False, True):
            found = decode_file(tmp_path / "x.tif", exif=exif)
            np.testing.assert_array_equal(np.asarray(found.image), expected)
            assert found.traits == PLAIN


class TestRasters:
    @pytest.mark.parametrize("channels", [2, 5, 13])
    @pytest.mark.parametrize("big_endian", [False, True])
    def test_many_channels_are_told_with_what_to_do(self, tmp_path, channels, big_endian):
        pixels = np.zeros((8, 8, channels), np.uint16)
        path = write_tiff(tmp_path / "x.tif", pixels, big_endian=big_endian)
        with pytest.raises(DataError) as error:
            read_image(path)
        assert f"a raster of {channels} channels (16 bits unsigned)" in str(error.value)
        assert "bands 4, 3 and 2" in str(error.value)

    def test_one_channel_that_pil_does_not_know(self, tmp_path):
        path = write_tiff(tmp_path / "x.tif", np.zeros((8, 8), np.int64))
        with pytest.raises(DataError, match=r"1 channels, 64 bits signed.*Convert it to 8-bit"):
            read_image(path)

    def test_pages_are_counted(self, tmp_path):
        pages = [Image.new("L", (4, 4), value) for value in (10, 20, 30)]
        pages[0].save(tmp_path / "x.tif", save_all=True, append_images=pages[1:])
        found = decode_file(tmp_path / "x.tif")
        assert found.traits.pages == glance(tmp_path / "x.tif").pages == 3
        assert found.image.getpixel((0, 0)) == (10, 10, 10)


def jpeg_with_damaged_exif() -> bytes:
    buffer = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112], exif[0x010E] = 6, "a photo of a dog " * 20
    Image.new("RGB", (8, 4)).save(buffer, "JPEG", exif=exif)
    content = bytearray(buffer.getvalue())
    place = content.index(b"\x01\x0e")  # the description's entry: more text than there is
    content[place + 4 : place + 8] = (2**31 - 1).to_bytes(4, "big")
    return bytes(content)


class TestQuiet:
    def test_nothing_of_pillow_s_is_shown(self, tmp_path, recwarn, capfd):
        (tmp_path / "exif.jpg").write_bytes(jpeg_with_damaged_exif())
        image = Image.fromarray(RAMP).convert("P")
        image.save(tmp_path / "palette.png", transparency=bytes(range(256)))
        write_tiff(tmp_path / "raster.tif", np.zeros((8, 8, 13), np.uint16))
        warnings.simplefilter("always")
        filters = list(warnings.filters)
        for name in ("exif.jpg", "palette.png"):
            read_image(tmp_path / name, exif=True)
        with pytest.raises(DataError):
            read_image(tmp_path / "raster.tif")
        assert not recwarn.list
        assert capfd.readouterr() == ("", "")
        assert list(warnings.filters) == filters

    def test_pillow_does_warn_of_these_files(self, tmp_path):
        (tmp_path / "x.jpg").write_bytes(jpeg_with_damaged_exif())
        with (
            pytest.warns(UserWarning, match="Skipping tag 270"),
            Image.open(tmp_path / "x.jpg") as image,
        ):
            image.getexif()

    def test_threads_leave_the_filters_as_they_were(self, tmp_path):
        for number in range(8):
            (tmp_path / f"{number}.jpg").write_bytes(jpeg_with_damaged_exif())
        before = list(warnings.filters)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            with ThreadPoolExecutor(8) as pool:
                list(pool.map(lambda i: read_image(tmp_path / f"{i % 8}.jpg"), range(200)))
        assert not caught
        assert list(warnings.filters) == before

    def test_large_images_are_decoded_quietly_up_to_pil_s_limit(
        self, tmp_path, monkeypatch, recwarn
    ):
        Image.new("L", (40, 40)).save(tmp_path / "x.png")
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
        assert read_image(tmp_path / "x.png").size == (40, 40)
        assert not recwarn.list
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 500)
        with pytest.raises(DataError, match="more than 1,000 pixels, the most that is decoded"):
            read_image(tmp_path / "x.png")

    def test_pil_s_log_is_not_printed_without_logging_set_up(self, tmp_path):
        path = write_tiff(tmp_path / "x.tif", np.zeros((8, 8, 13), np.uint16))
        code = (
            "import sys\nfrom plp.datasets import read_image\n"
            "try:\n    read_image(sys.argv[1])\nexcept Exception as error:\n    print(error)"
        )
        ended = subprocess.run(
            [sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True
        )
        assert "13 channels" in ended.stdout
        assert not ended.stderr
        assert logging.getLogger("PIL").handlers
