"""How the pixels of a run's images are understood: the keys `data.exif` and `data.value_range`.

They are settled once, before anything is read, and stand in the config that a run keeps. Whatever
is done with a trained run later (test, OOD detection, prediction) follows that config.
"""

from collections.abc import Mapping
from typing import Any

from mmengine.config import Config, ConfigDict

from plp.datasets import DataSource
from plp.errors import ConfigError, DataError
from plp.transforms.pixels import Reading, check_value_range

KEYS = ("exif", "value_range")
AUTO = (None, "auto")


def check_pixel_options(given: Mapping[str, Any]) -> None:
    """Refuse values that the two keys cannot have.

    Raises:
        ConfigError: naming the key.
    """
    exif = given.get("exif")
    if not (exif is None or isinstance(exif, bool) or exif == "auto"):
        raise ConfigError(f"expected data.exif to be True, False or 'auto', got {exif!r}")
    try:
        check_value_range(given.get("value_range"))
    except DataError as error:
        raise ConfigError(f"data: {error}") from error


def settle_pixel_options(
    config: Config, source: DataSource, trained: Mapping[str, Any] | None = None
) -> None:
    """Write down in a config what 'auto' stands for.

    Args:
        config: Config of the run; its `data` section is completed.
        source: Data source. Where the config leaves it open, photographs are turned upright and
            benchmarks are not, as in the published code.
        trained: The `data` section of a run that is followed where the config leaves something
            open. Runs of older versions do not speak of these keys, and had neither.

    Raises:
        ConfigError: for values that cannot be.
    """
    data = config.data
    check_pixel_options(data)
    if trained is not None:
        check_pixel_options(trained)
    if data.get("exif") in AUTO:
        photographs = bool(getattr(source, "photographs", False))
        data.exif = photographs if trained is None else trained.get("exif") is True
    if data.get("value_range") is None and trained is not None:
        data.value_range = trained.get("value_range")
    if data.get("value_range") is None:
        data.pop("value_range", None)
    else:
        data.value_range = list(data.value_range)


def reading_of(data: Mapping[str, Any] | ConfigDict) -> Reading:
    """Return how images are read by the `data` section of a run's config.

    Raises:
        ConfigError: for values that cannot be.
    """
    check_pixel_options(data)
    return Reading(data.get("exif") is True, check_value_range(data.get("value_range")))


def same_in_all_runs(data: Mapping[str, Any]) -> dict[str, Any]:
    """Return a `data` section without these keys where they say what was so before they existed."""
    usual = {"exif": False, "value_range": None}
    return {k: v for k, v in data.items() if k not in usual or v != usual[k]}
