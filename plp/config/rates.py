"""Learning rates of a run: its schedules settled, refused where mmengine never undoes them."""

from collections.abc import Iterable, Mapping
from typing import Any

import torch
from mmengine.config import Config
from mmengine.optim.scheduler import ConstantParamScheduler, LinearParamScheduler
from mmengine.optim.scheduler.lr_scheduler import LRSchedulerMixin

from plp.checks import check_number
from plp.config.start_rate import rate_of, with_factor
from plp.errors import ConfigError
from plp.registry import PARAM_SCHEDULERS

_MOST_STEPS = 20_000  # of a schedule by step that are gone through; longer ones are not


def schedulers_of(config: Config) -> list[dict[str, Any]]:
    """Return the schedules of a config, as mmengine takes them (`with_factor`).

    Raises:
        ConfigError: for what is no dict, or begins before the run.
    """
    found = config.get("param_scheduler") or []
    listed = list(found) if isinstance(found, list | tuple) else [found]
    for one in listed:
        if not isinstance(one, Mapping):
            raise ConfigError(f"expected param_scheduler to be dicts with a type, got {one!r}")
        check_number(f"begin of {one.get('type')} in param_scheduler", one.get("begin", 0))
    rate = rate_of(config)
    return [with_factor(one, rate) for one in listed]


def settled_schedulers(
    config: Config, train_cfg: Mapping[str, Any], steps: int | None = None
) -> list[dict[str, Any]]:
    """Settle schedules for a length of the run that recipes and the user may have changed.

    Those by epoch that name no end run to the last epoch, `T_max="max_epochs"` is their number, and
    what would start after the last epoch is dropped. Of those by step `T_max="max_steps"` is the
    steps of the run, and `periods="stages"` those of its stages.

    Args:
        config: Config of the run.
        train_cfg: Its section, with `max_epochs`.
        steps: Steps per epoch; None where there are none to settle by.

    Raises:
        ConfigError: for `periods="stages"` of a run without stages.
    """
    epochs = train_cfg["max_epochs"]
    settled = []
    for scheduler in schedulers_of(config):
        by_epoch = scheduler.get("by_epoch", True)
        if by_epoch and scheduler.get("begin", 0) >= epochs:
            continue
        if scheduler.get("T_max") == "max_epochs":
            scheduler["T_max"] = epochs
        elif not by_epoch and steps is not None:
            _settle_steps(scheduler, train_cfg, train_cfg.get("max_steps", epochs * steps))
        elif by_epoch and "end" not in scheduler and "T_max" not in scheduler:
            scheduler["end"] = epochs
        settled.append(scheduler)
    return settled


def _settle_steps(scheduler: dict[str, Any], train_cfg: Mapping[str, Any], total: int) -> None:
    if scheduler.get("T_max") == "max_steps":
        scheduler["T_max"] = total
        scheduler.setdefault("end", total)
    if scheduler.get("periods") == "stages":
        if "stages" not in train_cfg:
            raise ConfigError(
                f"param_scheduler: {scheduler.get('type')} with periods='stages' needs "
                "train_cfg.stages, the shares of the stages, such as (0.6, 0.4)"
            )
        periods = [length for length in train_cfg["stages"] if length]
        scheduler |= dict(periods=periods, restart_weights=[1] * len(periods))
        scheduler.setdefault("end", total)


def check_restored(config: Config, steps: int | None = None) -> None:
    """Refuse factors on the rate that mmengine never takes back.

    `ConstantLR` and `LinearLR` reach their full rate in step `end - 1`. The first step only
    multiplies, so that with `end = begin + 1` the rate stays multiplied for the whole run.

    Args:
        config: Config of the run.
        steps: Steps per epoch; None where they are not known, and `convert_to_iter_based` is not
            looked at.

    Raises:
        ConfigError: naming the schedule and the `end` that is meant.
    """
    for scheduler in schedulers_of(config):
        length = _length(scheduler, steps)
        if length != 1 or not _multiplies(scheduler):
            continue
        name, begin = scheduler["type"], scheduler.get("begin", 0)
        name = name if isinstance(name, str) else name.__name__
        key = "factor" if "factor" in scheduler else "start_factor"
        factor = scheduler.get(key, 1 / 3)
        raise ConfigError(
            f"param_scheduler: {name} with begin={begin}, end={scheduler['end']} would multiply the"
            f" rate by {factor:g} for the rest of the run: mmengine gives it back in step end - 1, "
            f"and never in the first. For a single {_unit(scheduler)} of it write end={begin + 2}"
        )


def rate_notes(config: Config, epochs: int, steps: int) -> tuple[str, ...]:
    """Say what is odd about the rates of a run: never what the config asks for, or zero.

    Args:
        config: Config of the run.
        epochs: Epochs.
        steps: Steps per epoch.

    Raises:
        ConfigError: if mmengine can make the schedules, but not go through the run with them.
    """
    base = config.optim_wrapper.get("optimizer", {}).get("lr")
    rates = _rates(config, float(base), epochs, steps) if base else None
    if not rates:
        return ()
    notes = []
    if max(rates) < base / 2:
        notes.append(
            f"the learning rate is at most {max(rates):.3g} in this run, "
            f"{100 * max(rates) / base:.3g} % of optim_wrapper.optimizer.lr={base:g}: its warm-up "
            f"takes as long as the run ({epochs} epochs, train_cfg.max_epochs)"
        )
    idle = sum(rate == 0 for rate in rates)
    if idle:
        notes.append(
            f"{idle} of {len(rates)} epochs train at a learning rate of 0 and change nothing: look "
            "at end, T_max and eta_min of param_scheduler"
        )
    return tuple(notes)


def _rates(config: Config, base: float, epochs: int, steps: int) -> list[float] | None:
    """Return the highest rate of each epoch, as mmengine makes it; None where that is unknown."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=base)
    try:
        schedulers = list(_built(config, optimizer, epochs, steps))
    except Exception:  # what is wrong with a schedule is told when the Runner builds it
        return None
    by_step = not all(scheduler.by_epoch for scheduler in schedulers)
    if by_step and epochs * steps > _MOST_STEPS:
        return None
    try:
        return _gone_through(optimizer, schedulers, epochs, steps if by_step else 1)
    except (ArithmeticError, ValueError) as error:
        raise ConfigError(
            f"param_scheduler does not last for a run of {epochs} epochs of {steps} steps: "
            f"{error}. Look at its numbers of steps (total_steps) and its factors"
        ) from error


def _gone_through(
    optimizer: torch.optim.Optimizer, schedulers: list[Any], epochs: int, steps: int
) -> list[float]:
    """Return the highest rate of each epoch; schedules by epoch need but one step in each."""
    highest = []
    for _ in range(epochs):
        seen = []
        for _ in range(steps):
            seen.append(float(optimizer.param_groups[0]["lr"]))
            optimizer.step()  # else torch warns of the order
            _step(one for one in schedulers if not one.by_epoch)
        _step(one for one in schedulers if one.by_epoch)
        highest.append(max(seen))
    return highest


def _built(
    config: Config, optimizer: torch.optim.Optimizer, epochs: int, steps: int
) -> Iterable[Any]:
    """Build the schedules of the rate, as mmengine's Runner does."""
    train_cfg = {**(config.get("train_cfg") or {}), "max_epochs": epochs}
    for scheduler in settled_schedulers(config, train_cfg, steps):
        if issubclass(_kind(scheduler), LRSchedulerMixin):
            by_epoch = scheduler.get("by_epoch", True)
            scheduler.setdefault("end", epochs if by_epoch else epochs * steps)
            kind: Any = _kind(scheduler)
            del scheduler["type"]
            if scheduler.pop("convert_to_iter_based", False):
                yield kind.build_iter_from_epoch(optimizer, epoch_length=steps, **scheduler)
            else:
                yield kind(optimizer, **scheduler)


def _step(schedulers: Iterable[Any]) -> None:
    for scheduler in schedulers:
        scheduler.step()


def _kind(scheduler: Mapping[str, Any]) -> type:
    kind = scheduler.get("type")
    found = kind if isinstance(kind, type) else PARAM_SCHEDULERS.get(str(kind))
    return found if isinstance(found, type) else object


def _multiplies(scheduler: Mapping[str, Any]) -> bool:
    try:
        kind = _kind(scheduler)
    except ConfigError:  # an unknown name is told when it is built
        return False
    return issubclass(kind, ConstantParamScheduler | LinearParamScheduler)


def _length(scheduler: Mapping[str, Any], steps: int | None) -> int | None:
    """Steps of a schedule that names its end; None where it does not, or they are not known."""
    begin, end = scheduler.get("begin", 0), scheduler.get("end")
    if not isinstance(begin, int | float) or not isinstance(end, int | float):
        return None
    if not scheduler.get("convert_to_iter_based", False):
        return int(end - begin) if end - begin == 1 else None
    return None if steps is None else int(end * steps) - int(begin * steps)


def _unit(scheduler: Mapping[str, Any]) -> str:
    return "epoch" if scheduler.get("by_epoch", True) else "step"
