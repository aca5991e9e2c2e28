"""Images inside the page: figures and thumbnails as data URIs."""

import base64
import io
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from PIL import Image

from plp.datasets import read_image
from plp.errors import DataError
from plp.report.html import Child, Html, tag
from plp.transforms.pixels import Reading

_FINER = 1.3  # pixels of a figure for one of the page, sharp on fine screens too
SIDE = 96  # pixels of the longer side of a thumbnail
NO_FIGURES = (
    "Figures need matplotlib, which is not installed here: pip install matplotlib, then the "
    "run's command with --resume, which writes this page again."
)  # fmt: skip


class Drawn(NamedTuple):
    """A picture ready for a page.

    Attributes:
        content: The file.
        kind: Its format as MIME has it, such as 'png'.
        width: Pixels it is shown with.
        height: Likewise.
    """

    content: bytes
    kind: str
    width: int
    height: int


def render(draw: Callable[[], Any], photo: bool = False) -> Drawn | None:
    """Draw a figure of matplotlib; None where that is not installed.

    Args:
        draw: Returns the figure.
        photo: Whether it holds photographs, which JPEG stores in a fraction of PNG's bytes.
    """
    file = io.BytesIO()
    kind: dict[str, Any] = {"format": "png"}
    if photo:
        kind = {"format": "jpeg", "pil_kwargs": {"quality": 85}}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # letters that the font lacks; the page's own text has them
        try:
            draw().savefig(file, **kind)
        except ImportError:
            return None
    return drawn(file.getvalue(), 1.0 if photo else _FINER)


def drawn(content: bytes, finer: float = 1.0) -> Drawn:
    """Return an image file as a picture, shown so many times smaller than its pixels are many."""
    with Image.open(io.BytesIO(content)) as image:
        width, height = (round(side / finer) for side in image.size)
        return Drawn(content, str(image.format).lower(), width, height)


def thumbnail(path: Path, reading: Reading) -> Drawn | None:
    """Return a small copy of an image, as the run reads it; None for one that cannot be read."""
    try:
        image = read_image(path, *reading)
    except DataError:
        return None
    image.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS)
    file = io.BytesIO()
    image.save(file, "jpeg", quality=80)
    return drawn(file.getvalue())


def figure(picture: Drawn | None, alt: str, caption: Child = None) -> Html:
    """Return a picture with its caption; without one, how to get it."""
    if picture is None:
        return tag("p", NO_FIGURES, class_="note")
    return tag("figure", shown(picture, alt), caption and tag("figcaption", caption))


def small_figure(picture: Drawn | None, alt: str, caption: Child) -> Html:
    """Return a thumbnail with its caption, or a box in its place."""
    inner = tag("div", "cannot be read", class_="lost") if picture is None else shown(picture, alt)
    return tag("figure", inner, tag("figcaption", caption))


def shown(picture: Drawn, alt: str) -> Html:
    """Return the element of a picture."""
    data = base64.b64encode(picture.content).decode()
    return tag(
        "img", src=f"data:image/{picture.kind};base64,{data}", alt=alt,
        width=picture.width, height=picture.height,
    )  # fmt: skip
