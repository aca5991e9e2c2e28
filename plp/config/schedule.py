"""How a run trains: `train_cfg` and the optimizer, looked at before anything is built."""

import math
from collections.abc import Mapping
from typing import Any

from mmengine.config import Config

from plp.checks import check_integer, check_number
from plp.config.length import check_length
from plp.errors import ConfigError, did_you_mean

# What mmengine's EpochBasedTrainLoop takes, what says that it is that loop, and what `with_length`
# makes a loop of plp's of.
_KEYS = (
    "type", "by_epoch", "max_epochs", "val_begin", "val_interval", "dynamic_intervals",
    "steps_per_shot", "stages",
)  # fmt: skip
_OF_OPTIMIZER = ("lr", "weight_decay", "momentum")
_LEAST = {"max_epochs": 0, "val_begin": 1, "val_interval": 1}


def check_train_cfg(config: Config) -> None:
    """Refuse keys that the training loop does not take, and numbers that are none.

    A loop of the user's own (`type`) takes what it likes.

    Raises:
        ConfigError: naming the key, and the one that may be meant.
    """
    section: Mapping[str, Any] = config.get("train_cfg") or {}
    own_loop = section.get("type", "EpochBasedTrainLoop") != "EpochBasedTrainLoop"
    for key in section:
        if key not in _KEYS and not own_loop:
            raise ConfigError(
                f"train_cfg: unknown key {key!r}.{did_you_mean(key, _KEYS)} "
                f"It takes: {', '.join(_KEYS)}"
            )
    for key, least in _LEAST.items():
        value = section.get(key, least)
        if key == "max_epochs" and value is None and "steps_per_shot" in section:
            continue
        check_integer(f"train_cfg.{key}", value, least)
    if not own_loop:
        check_length(section)
    if section.get("by_epoch", True) is not True and not own_loop:
        raise ConfigError(
            "expected train_cfg.by_epoch=True, as plp trains by epochs, got "
            f"{section['by_epoch']!r}: leave it out"
        )


def check_optimizer(config: Config) -> None:
    """Refuse a learning rate and the like that are no numbers: some optimizers take NaN.

    Raises:
        ConfigError: naming the key.
    """
    section = (config.get("optim_wrapper") or {}).get("optimizer")
    if section is not None and not isinstance(section, Mapping):
        raise ConfigError(f"expected optim_wrapper.optimizer to be a dict, got {section!r}")
    for key in _OF_OPTIMIZER:
        check_number(f"optim_wrapper.optimizer.{key}", (section or {}).get(key, 0))


def most_epochs(config: Config) -> int:
    """Return how many epochs there may be, at least one; what is no number is refused later."""
    section = config.get("train_cfg", {})
    epochs, per_shot = section.get("max_epochs"), section.get("steps_per_shot")
    if epochs is None and isinstance(per_shot, int):
        epochs = per_shot * int(config.data.get("shots", 16))
    return max(epochs, 1) if isinstance(epochs, int) else 1


def check_schedules(config: Config) -> None:
    """Refuse schedules that mmengine would never undo, see `check_restored`."""
    if config.get("param_scheduler"):
        from plp.config.rates import check_restored  # takes torch and mmengine's optimizers

        check_restored(config)


def save_seconds(config: Config) -> float:
    """Return the least seconds between two states that are written.

    Raises:
        ConfigError: for anything but a number >= 0.
    """
    seconds = config.get("save_seconds", 10.0)
    if seconds != math.inf:
        check_number("save_seconds", seconds)
    return float(seconds)
