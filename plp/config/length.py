"""How long a run is: epochs, or steps for each shot; and its stages."""

import copy
import math
from collections.abc import Mapping, Sequence
from typing import Any

from mmengine.config import Config, ConfigDict
from mmengine.dist import get_world_size

from plp.checks import check_integer, is_number
from plp.errors import ConfigError

_LOOKS = 10  # at validation images, in a run whose length is given in steps


def check_length(section: Mapping[str, Any]) -> None:
    """Refuse `train_cfg.steps_per_shot` and `train_cfg.stages` that are none.

    Raises:
        ConfigError: naming the key.
    """
    steps = section.get("steps_per_shot")
    if steps is not None:
        check_integer("train_cfg.steps_per_shot", steps)
    shares = section.get("stages")
    if shares is None:
        return
    numbers = isinstance(shares, Sequence) and not isinstance(shares, str) and bool(shares)
    numbers = numbers and all(is_number(share) and share > 0 for share in shares)
    if not numbers or abs(sum(shares) - 1) > 1e-6:
        raise ConfigError(
            "expected train_cfg.stages to be the shares of the stages in the steps of a run, which "
            f"add up to 1, such as (0.6, 0.4), got {shares!r}"
        )
    if get_world_size() > 1:
        raise ConfigError(
            "train_cfg.stages: what is learned changes within the run, which several processes do "
            "not follow. Train in one process"
        )


def with_length(config: Config, shots: int, steps: int) -> Config:
    """Return a config whose number of epochs is settled, with the loop that keeps to the steps.

    `train_cfg.max_epochs` is what counts, where it is given. Else the run has
    `train_cfg.steps_per_shot` times the number of shots steps, and ends within an epoch if need be;
    validation images are looked at ten times unless `val_interval` says how often.

    Args:
        config: Config of the run; it is not changed.
        shots: Training images per class.
        steps: Steps per epoch.
    """
    section = dict(config.get("train_cfg") or {})
    per_shot, shares = section.pop("steps_per_shot", None), section.pop("stages", None)
    if per_shot is None and shares is None:
        return config
    if section.get("max_epochs") is None and per_shot is not None:
        section["max_epochs"] = math.ceil(per_shot * shots / steps)
        section["max_steps"] = per_shot * shots
        section.setdefault("val_interval", math.ceil(section["max_epochs"] / _LOOKS))
    if shares is not None and isinstance(section.get("max_epochs"), int):
        total = section.get("max_steps", section["max_epochs"] * steps)
        section["stages"] = lengths_of(shares, total)
    settled = Config(copy.deepcopy(config._cfg_dict), filename=config.filename)
    section.pop("by_epoch", None)  # says the same as the type
    settled.train_cfg = ConfigDict(type="StagedTrainLoop", **section)
    return settled


def lengths_of(shares: Sequence[float], total: int) -> list[int]:
    """Return the steps of each stage; each but the last is rounded down.

    Example:
        >>> lengths_of((0.6, 0.4), 4801)
        [2880, 1921]
    """
    lengths = [int(share * total + 1e-9) for share in shares[:-1]]
    return [*lengths, total - sum(lengths)]
