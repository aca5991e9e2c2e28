"""Which epoch of a run is tested, and whether there was anything to choose or to train."""

from collections.abc import Mapping
from typing import Any

from mmengine.config import Config
from torch import nn

from plp.errors import ConfigError
from plp.wording import count


def selection_of(config: Config, has_val: bool) -> str:
    """Return which epoch of a run is tested: 'last', or 'val' for the best on validation images.

    Raises:
        ConfigError: for another value, or where no epoch would be validated.
    """
    select = config.get("selection", "last")
    if select not in ("last", "val"):
        raise ConfigError(f"expected selection 'last' or 'val', got {select!r}")
    if select == "val" and not has_val:
        raise ConfigError("selection='val' needs validation images, and this dataset has none")
    section = config.get("train_cfg") or {}
    epochs, first = section.get("max_epochs", 0), section.get("val_begin", 1)
    if select == "val" and 0 < epochs < first:
        raise ConfigError(
            f"selection='val' takes the best of the epochs that are validated, and with "
            f"train_cfg.val_begin={first} none of {epochs} is"
        )
    return select


def selection_notes(config: Config, learner: nn.Module, epochs: int) -> tuple[str, ...]:
    """Return a note where nothing is trained that could be, or nothing is chosen that should be."""
    learned = sum(p.numel() for p in learner.parameters() if p.requires_grad)
    if not epochs and learned:
        return (
            f"nothing is trained: train_cfg.max_epochs is 0, and {count(learned, 'parameter')} "
            "stay as they start",
        )
    if epochs and config.get("selection", "last") == "val":
        validated = _validated(config.get("train_cfg") or {}, epochs)
        if len(validated) == 1:
            return (
                f"selection='val' has nothing to choose from: of {count(epochs, 'epoch')} only "
                f"epoch {validated[0]} is validated. Lower train_cfg.val_interval, or train longer",
            )
    return ()


def _validated(section: Mapping[str, Any], epochs: int) -> list[int]:
    """Return the epochs that mmengine's loop validates: every so many, and the last."""
    first, every = section.get("val_begin", 1), section.get("val_interval", 1)
    return [e for e in range(first, epochs + 1) if e % every == 0 or e == epochs]
