"""Suffixes that are read: those of the list that the installed Pillow decodes."""

import io

import pytest
from PIL import Image

from plp.datasets import read_image, suffixes
from plp.datasets.format_samples import sample_of
from plp.datasets.skipped import Tally
from plp.datasets.suffixes import FOREIGN_SUFFIXES, KINDS, SUFFIXES, is_image, open_image
from plp.errors import DataError

LISTED = (
    "jpg", "jpeg", "jpe", "jfif", "png", "apng", "bmp", "gif", "webp", "avif", "jp2", "j2k", "tif",
    "tiff", "ppm", "pgm", "pbm", "pnm", "tga", "qoi",
)  # fmt: skip


@pytest.fixture
def fresh():
    """Forget what Pillow was found to decode, before and after."""
    caches = suffixes.is_read, suffixes._decodes
    for one in caches:
        one.cache_clear()
    yield
    for one in caches:
        one.cache_clear()


def test_the_list():
    assert sorted(SUFFIXES) == sorted(f".{suffix}" for suffix in LISTED)
    assert not FOREIGN_SUFFIXES & set(SUFFIXES)


@pytest.mark.parametrize("suffix", LISTED)
def test_each_is_read_by_this_pillow(suffix):
    assert is_image(f"a.{suffix.upper()}")


@pytest.mark.parametrize("kind", KINDS)
def test_samples_are_of_their_format(kind):
    with open_image(io.BytesIO(sample_of(kind))) as image:
        assert image.format == {"JP2": "JPEG2000", "J2K": "JPEG2000"}.get(kind, kind)
        image.load()
        assert image.size == (1, 1)


@pytest.mark.parametrize("name", ["a.eps", "a.psd", "a.txt", "jpg", "a.jpg.part", "a.", ".jpg."])
def test_others_are_not(name):
    assert not is_image(name)


def test_what_pillow_cannot_decode_is_reported(fresh, monkeypatch):
    Image.init()
    monkeypatch.setattr(Image, "OPEN", {k: v for k, v in Image.OPEN.items() if k != "AVIF"})
    assert not is_image("a.avif")
    assert is_image("a.jpg")
    tally = Tally()
    tally.skip_file("a.avif")
    assert "cannot decode here (1 .avif: 'a.avif')" in tally.notes("x")[0]
    with pytest.raises(DataError, match=r"nowhere\.avif"):
        read_image("nowhere.avif")


@pytest.mark.parametrize("name", ["x.eps", "x.jpg"])
def test_postscript_is_never_handed_to_another_program(tmp_path, monkeypatch, name):
    from PIL import EpsImagePlugin

    def ghostscript(*_, **__):
        raise AssertionError("called")

    monkeypatch.setattr(EpsImagePlugin, "Ghostscript", ghostscript)
    Image.new("RGB", (4, 4)).save(tmp_path / name, "EPS")
    with pytest.raises(DataError, match=r"not an image that PIL knows, of the formats"):
        read_image(tmp_path / name)


def test_heic_says_what_to_do(fresh, tmp_path, monkeypatch):
    monkeypatch.setattr(suffixes, "_register_heif", lambda: None)
    monkeypatch.setattr(Image, "OPEN", {k: v for k, v in Image.OPEN.items() if k != "HEIF"})
    assert not is_image("a.heic")
    for name in ("a.heic", "renamed.jpg"):
        (tmp_path / name).write_bytes(sample_of("HEIF"))
        with pytest.raises(DataError, match=r"install pillow-heif, or convert"):
            read_image(tmp_path / name)


def test_heic_is_read_with_pillow_heif(fresh, tmp_path):
    pytest.importorskip("pillow_heif")
    assert is_image("a.HEIC")
    for name in ("renamed.jpg", "a.HEIC"):
        (tmp_path / name).write_bytes(sample_of("HEIF"))
        assert read_image(tmp_path / name).size == (8, 8)
