"""Warm-ups that name the rate they start from, where mmengine's name a factor."""

from collections.abc import Mapping, MutableMapping
from typing import Any

from mmengine.config import Config

from plp.checks import is_number
from plp.errors import ConfigError

START_RATE = "start_rate"  # of a warm-up, where mmengine has a factor of this name:
_FACTORS = {"ConstantLR": "factor", "LinearLR": "start_factor"}


def settle_start_rates(config: Config) -> None:
    """Write the factor of warm-ups that name their rate, in place; see `with_factor`."""
    found, rate = config.get("param_scheduler") or [], rate_of(config)
    for one in found if isinstance(found, list | tuple) else [found]:
        if isinstance(one, MutableMapping) and START_RATE in one:
            settled = with_factor(one, rate)
            del one[START_RATE]
            one.update(settled)


def rate_of(config: Config) -> Any:
    """Return the learning rate of a config; 0 where there is no optimizer."""
    optimizer = (config.get("optim_wrapper") or {}).get("optimizer")
    return optimizer.get("lr") if optimizer else 0


def with_factor(scheduler: Mapping[str, Any], lr: Any) -> dict[str, Any]:
    """Return a schedule with mmengine's factor on the rate in place of `start_rate`.

    A published warm-up is at a rate, such as 1e-5, whatever the rate of the run; mmengine's is a
    share of that. A rate that is no larger than `start_rate` has no warm-up. A factor that is named
    beside it, by a recipe or an option, wins.

    Args:
        scheduler: Schedule, with `start_rate` or without.
        lr: Rate of the run.

    Raises:
        ConfigError: for a schedule without such a factor, a rate that is none, or a run without.

    Example:
        >>> with_factor(dict(type="ConstantLR", start_rate=1e-5, end=2), lr=0.002)
        {'type': 'ConstantLR', 'end': 2, 'factor': 0.005}
    """
    settled = dict(scheduler)
    if START_RATE not in settled:
        return settled
    rate, kind = settled.pop(START_RATE), settled.get("type")
    key = _FACTORS.get(str(getattr(kind, "__name__", kind)).rpartition(".")[2])
    if key is None:
        raise ConfigError(
            f"param_scheduler: start_rate is for {' and '.join(_FACTORS)}, got it for {kind}"
        )
    if key in settled:
        return settled
    if not is_number(rate) or rate == 0:
        raise ConfigError(
            f"param_scheduler: expected start_rate of {kind} to be a number above 0, got {rate!r}"
        )
    if not is_number(lr):
        raise ConfigError(
            f"param_scheduler: start_rate of {kind} needs optim_wrapper.optimizer.lr, got {lr!r}"
        )
    return settled | {key: rate / lr if rate < lr else 1.0}
