import numpy as np
import pytest
from PIL import Image

from plp.errors import DataError
from plp.transforms import to_rgb

RAMP = np.arange(256, dtype=np.uint8).reshape(16, 16)


def grey_of(image: Image.Image) -> np.ndarray:
    pixels = np.asarray(to_rgb(image))
    assert pixels.shape[-1] == 3
    return pixels


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "CMYK", "YCbCr", "HSV", "LAB"])
def test_8_bit_modes_are_pil_s_own_conversion(mode):
    image = Image.fromarray(RAMP).convert("RGB")
    image = image.convert("LAB") if mode == "LAB" else image.convert(mode)
    np.testing.assert_array_equal(np.asarray(to_rgb(image)), np.asarray(image.convert("RGB")))


def test_rgb_is_passed_through():
    image = Image.new("RGB", (2, 2))
    assert to_rgb(image) is image


@pytest.mark.parametrize("mode", ["I;16", "I;16B", "I"])
def test_16_bit_grey_is_scaled_not_clipped(mode):
    values = np.linspace(0, 65535, 256).round().astype(np.int64).reshape(16, 16)
    kind = {"I;16": "<u2", "I;16B": ">u2", "I": "<i4"}[mode]
    image = Image.frombytes(mode, (16, 16), values.astype(kind).tobytes())
    np.testing.assert_array_equal(grey_of(image), np.stack([RAMP] * 3, axis=-1))


def test_16_bit_png_survives_the_way_through_a_file(tmp_path):
    values = (RAMP.astype(np.uint16) * 257).tobytes()
    Image.frombytes("I;16", (16, 16), values).save(tmp_path / "deep.png")
    with Image.open(tmp_path / "deep.png") as image:
        np.testing.assert_array_equal(grey_of(image)[..., 0], RAMP)


def test_transparency_is_dropped():
    image = Image.new("RGBA", (1, 1), (10, 20, 30, 0))
    assert to_rgb(image).getpixel((0, 0)) == (10, 20, 30)


def test_a_palette_with_transparency_keeps_its_colours(recwarn):
    image = Image.new("P", (1, 1), 1)
    image.putpalette([0, 0, 0, 200, 100, 50])
    image.info["transparency"] = b"\x00\x80"
    assert to_rgb(image).getpixel((0, 0)) == (200, 100, 50)
    assert not recwarn.list


def test_pixels_without_a_defined_range_are_refused():
    with pytest.raises(DataError, match="floating-point"):
        to_rgb(Image.new("F", (1, 1), 0.5))
    with pytest.raises(DataError, match=r"got 70000..70000"):
        to_rgb(Image.new("I", (1, 1), 70000))
    with pytest.raises(DataError, match=r"0..65535"):
        to_rgb(Image.new("I", (1, 1), -1))
