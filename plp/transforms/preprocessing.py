"""What a model's weights expect of an image: size, resizing, mean and deviation."""

from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from plp.errors import ConfigError
from plp.transforms.size import Size, read_size

ResizeMode: TypeAlias = Literal["shortest", "longest", "squash"]
Colour: TypeAlias = tuple[int, int, int]
Channels: TypeAlias = tuple[float, float, float]
RESIZE_MODES = ("shortest", "longest", "squash")
INTERPOLATIONS = ("bicubic", "bilinear")


@dataclass(frozen=True)
class Preprocessing:
    """How the published weights of a backbone want images prepared.

    The whole image is resized against the box `resize`, then the centre of `size` is cut out, or
    padded where the image is smaller.

    Args:
        size: Height and width of what the tower takes.
        mean: Of the channels, of values in [0, 1].
        std: Standard deviation, likewise.
        resize_mode: 'shortest' covers the box and keeps proportions, 'longest' fits into it and
            keeps proportions, 'squash' fills it and does not.
        interpolation: 'bicubic' or 'bilinear'.
        fill_color: Red, green and blue of the padding, 0 to 255; a number for a grey.
        resize: Height and width of the box; None for `size`. Larger where a model was tested on
            the middle of images (timm's `crop_pct`).

    Raises:
        ConfigError: for values that cannot be, naming the entry.

    Example:
        >>> Preprocessing((224, 224), (0.5,) * 3, (0.5,) * 3, 'squash').box
        (224, 224)
    """

    size: Size
    mean: Channels
    std: Channels
    resize_mode: ResizeMode = "shortest"
    interpolation: Literal["bicubic", "bilinear"] = "bicubic"
    fill_color: int | Colour = 0
    resize: Size | None = None

    def __post_init__(self) -> None:
        for name, known in (("resize_mode", RESIZE_MODES), ("interpolation", INTERPOLATIONS)):
            value = getattr(self, name)
            if value not in known:
                raise ConfigError(f"expected {name} among {', '.join(known)}, got {value!r}")
        for name in ("size", "resize"):
            value = getattr(self, name)
            if value is not None:
                object.__setattr__(self, name, read_size(name, value))
        for name in ("mean", "std"):
            object.__setattr__(self, name, read_channels(name, getattr(self, name)))
        if min(self.std) <= 0:
            raise ConfigError(f"expected std above 0, got {self.std}")
        object.__setattr__(self, "fill_color", read_colour(self.fill_color))

    @property
    def box(self) -> Size:
        """Height and width that the whole image is resized against."""
        return self.size if self.resize is None else self.resize


def read_colour(value: Any) -> int | Colour:
    """Return a colour: a grey as a number, others as red, green and blue.

    Raises:
        ConfigError: for anything but one or three numbers from 0 to 255.

    Example:
        >>> read_colour([0, 0, 0]), read_colour((1, 2, 3))
        (0, (1, 2, 3))
    """
    parts = tuple(value) if isinstance(value, list | tuple) else (value,) * 3
    if len(parts) != 3 or not all(type(one) is int and 0 <= one <= 255 for one in parts):
        raise ConfigError(
            f"expected fill_color to be a number from 0 to 255, or three of them, got {value!r}"
        )
    return parts[0] if len(set(parts)) == 1 else (parts[0], parts[1], parts[2])


def read_channels(name: str, value: Any) -> Channels:
    """Return a number for each channel, from one for all or from three.

    Raises:
        ConfigError: for anything else.

    Example:
        >>> read_channels('mean', 0.5)
        (0.5, 0.5, 0.5)
    """
    parts = tuple(value) if isinstance(value, list | tuple) else (value,) * 3
    if len(parts) != 3 or not all(isinstance(one, int | float) for one in parts):
        raise ConfigError(f"expected {name} to be a number a channel, got {value!r}")
    return float(parts[0]), float(parts[1]), float(parts[2])
