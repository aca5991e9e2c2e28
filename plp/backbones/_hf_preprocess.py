"""An image processor of the transformers library in plp's terms."""

from collections.abc import Mapping, Sequence
from typing import Any

from plp.errors import ConfigError
from plp.transforms.preprocessing import Preprocessing, ResizeMode
from plp.transforms.size import Size, spell_size

_RESAMPLE = {2: "bilinear", 3: "bicubic"}  # as Pillow numbers them
_OTHERS = {0: "nearest", 1: "Lanczos", 4: "box", 5: "Hamming"}


def preprocessing_of(processor: Any, tower: Size | None, name: str) -> Preprocessing:
    """Return how an image processor prepares images; plp does it itself.

    Args:
        processor: The library's image processor.
        tower: Height and width that the tower takes; None for any.
        name: What the model is called in messages.

    Raises:
        ConfigError: for steps that plp does not have, or a size that the tower does not take.
    """
    if hasattr(processor, "max_num_patches"):  # NaFlex: of any shape, here the tower's square
        mode: ResizeMode = "squash"
        box = size = tower
    else:
        mode, box = _resize(processor, name)
        size = _crop(processor) or tower or box
    if size is None or box is None or (tower is not None and size != tower):
        raise ConfigError(
            f"{name}: its image processor makes images of {spell_size(size or (0, 0))}, and its "
            f"image tower takes {spell_size(tower or (0, 0))}. Correct size and crop_size in "
            "preprocessor_config.json"
        )
    mean, std = _pixels(processor)
    return Preprocessing(
        size=size, mean=mean, std=std, resize_mode=mode,
        interpolation=_interpolation(processor, name), resize=None if box == size else box,
    )  # fmt: skip


def _resize(processor: Any, name: str) -> tuple[ResizeMode, Size]:
    """Return how the whole image is resized, and to what box."""
    size = getattr(processor, "size", None)
    known = {
        key: _entry(size, key)
        for key in ("height", "width", "shortest_edge", "longest_edge", "max_height", "max_pixels")
    }
    given = {key: int(value) for key, value in known.items() if value is not None}
    if processor.do_resize and set(given) == {"height", "width"}:
        return "squash", (given["height"], given["width"])
    if processor.do_resize and set(given) == {"shortest_edge"}:
        return "shortest", (given["shortest_edge"],) * 2
    raise ConfigError(
        f"{name}: expected an image processor that resizes to height and width, or by the "
        f"shortest_edge, got do_resize={processor.do_resize} and size={given}"
    )


def _crop(processor: Any) -> Size | None:
    size = getattr(processor, "crop_size", None)
    if not getattr(processor, "do_center_crop", False) or size is None:
        return None
    return int(_entry(size, "height")), int(_entry(size, "width"))


def _entry(size: Any, key: str) -> Any:
    """Return an entry of a size: a dict up to some release of the library, an object in later."""
    return size.get(key) if isinstance(size, Mapping) else getattr(size, key, None)


def _interpolation(processor: Any, name: str) -> Any:
    number = int(processor.resample)
    if number in _RESAMPLE:
        return _RESAMPLE[number]
    raise ConfigError(
        f"{name}: its images are resized by {_OTHERS.get(number, number)} interpolation "
        f"(resample={number}); plp has bilinear (2) and bicubic (3). Set the nearer one in "
        "preprocessor_config.json"
    )


def _pixels(processor: Any) -> tuple[Any, Any]:
    """Return mean and deviation of values in [0, 1] that amount to all the processor does.

    It computes ((x * factor - offset) - mean) / std of pixels x from 0 to 255.
    """
    scale = 255 * float(processor.rescale_factor) if processor.do_rescale else 255.0
    offset = 1.0 if processor.do_rescale and getattr(processor, "rescale_offset", False) else 0.0
    mean: tuple[float, ...] = (0.0,) * 3
    std: tuple[float, ...] = (1.0,) * 3
    if processor.do_normalize:
        mean, std = _channels(processor.image_mean), _channels(processor.image_std)
    if getattr(processor, "include_top", False):  # EfficientNet's: by the deviation once more
        std = tuple(
            one * again for one, again in zip(std, _channels(processor.image_std), strict=True)
        )
    return tuple((one + offset) / scale for one in mean), tuple(one / scale for one in std)


def _channels(value: float | Sequence[float]) -> tuple[float, ...]:
    return tuple(map(float, value)) if isinstance(value, Sequence) else (float(value),) * 3
