"""Saving the state of training, so that a run killed at any moment can be resumed exactly."""

import math
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmengine.dist import is_main_process
from mmengine.hooks import Hook

from plp.engine.checkpoint import save_checkpoint
from plp.files import write_atomically
from plp.registry import HOOKS

STATE = "state.pth"
BEST = "best.safetensors"


@HOOKS.register_module()
class SaveHook(Hook):
    """Writes `state.pth` (all that resuming needs), atomically, between epochs.

    The state is written when an epoch and its validation are over, so that resuming repeats
    neither. It holds plain tensors, numbers and strings only and is read back with
    `weights_only=True`: no class needs to be allowed for unpickling.

    Args:
        info: What a checkpoint carries beside the parameters.
        identity: What must agree between the run that wrote the state and the one that resumes.
        keep_best: Also keep `best.safetensors`, of the first epoch with the best accuracy on
            validation images.
        min_seconds: Shortest time between two states; the first and the last epoch's are always
            written.
    """

    priority = "VERY_LOW"

    def __init__(
        self,
        info: Mapping[str, Any],
        identity: Mapping[str, Any],
        keep_best: bool = False,
        min_seconds: float = 10.0,
    ) -> None:
        self.info = dict(info)
        self.identity = dict(identity)
        self.keep_best = keep_best
        self.min_seconds = min_seconds
        self.best: float | None = None
        self.seconds_before: float | None = 0.0  # of training, until the state that is resumed
        self._begin = time.monotonic()
        self._written = -math.inf

    def before_train(self, runner: Any) -> None:
        """Start the clock."""
        self._begin = time.monotonic()

    def before_train_epoch(self, runner: Any) -> None:
        """Write the state after the last epoch, if enough time has passed."""
        if runner.epoch and time.monotonic() - self._written >= self.min_seconds:
            self._save(runner)

    def after_train(self, runner: Any) -> None:
        """Write the final state."""
        self._save(runner)

    def after_val_epoch(self, runner: Any, metrics: dict[str, float] | None = None) -> None:
        """Keep the parameters that did best on the validation images; ties keep the earlier."""
        if not self.keep_best or not metrics:
            return
        if self.best is None or metrics["accuracy"] > self.best:
            self.best = metrics["accuracy"]
            if is_main_process():
                info = {**self.info, "epoch": runner.epoch, "val_accuracy": self.best}
                save_checkpoint(Path(runner.work_dir) / BEST, _module(runner), info)

    def before_save_checkpoint(self, runner: Any, checkpoint: dict[str, Any]) -> None:
        """Leave log history (pickled classes) out; put identity and best accuracy in."""
        checkpoint["message_hub"] = {"log_scalars": {}, "runtime_info": {}, "resumed_keys": {}}
        checkpoint["plp"] = {
            "identity": self.identity, "best": self.best, "seconds": self._seconds(),
        }  # fmt: skip

    def after_load_checkpoint(self, runner: Any, checkpoint: dict[str, Any]) -> None:
        """Take the best accuracy so far and the seconds of training from the state."""
        self.best = checkpoint["plp"]["best"]
        self.seconds_before = checkpoint["plp"].get("seconds")  # older plp did not keep them

    def _seconds(self) -> float | None:
        """Return the seconds of training so far; None if those before the state are lost."""
        if self.seconds_before is None:
            return None
        return round(self.seconds_before + time.monotonic() - self._begin, 2)

    def _save(self, runner: Any) -> None:
        self._written = time.monotonic()
        if is_main_process():
            meta = {"epoch": runner.epoch, "iter": runner.iter}
            write_atomically(
                Path(runner.work_dir) / STATE,
                lambda path: runner.save_checkpoint(str(path.parent), path.name, meta=meta),
            )


def _module(runner: Any) -> Any:
    return getattr(runner.model, "module", runner.model)
