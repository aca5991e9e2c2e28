"""Saving the state of training, so that a run killed at any moment can be resumed exactly."""

import logging
import math
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmengine.dist import is_main_process
from mmengine.hooks import Hook

from plp.checkpoints.checkpoint import save_checkpoint
from plp.checksums import DIGEST, note_unchecked, value_digest
from plp.errors import CheckpointError
from plp.files import write_atomically
from plp.hooks.json_lines import read_lines, rows_digest, up_to
from plp.registry import HOOKS

logger = logging.getLogger("plp")

CURVES = "curves.jsonl"
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
        rows = up_to(read_lines(Path(runner.work_dir) / CURVES).rows, runner.epoch)
        checkpoint["plp"] = {
            "identity": self.identity, "best": self.best, "seconds": self._seconds(),
            "curves": rows_digest(rows),
        }  # fmt: skip

    def after_load_checkpoint(self, runner: Any, checkpoint: dict[str, Any]) -> None:
        """Take the best accuracy so far and the seconds of training from the state; compare the
        curves with those of then.
        """
        checkpoint["meta"].pop("config", None)  # plp writes none, and mmengine would run it as code
        saved = checkpoint["plp"]
        self.best = saved["best"]
        self.seconds_before = saved.get("seconds")  # older plp did not keep them
        path = Path(runner.work_dir) / CURVES
        rows = up_to(read_lines(path).rows, checkpoint["meta"]["epoch"])
        if saved.get("curves", rows_digest(rows)) != rows_digest(rows) and is_main_process():
            logger.warning(
                "%s is not what it was when the state was saved: the curves of epochs up to %d are "
                "damaged or were changed", path, checkpoint["meta"]["epoch"],
            )  # fmt: skip

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


class SealHook(Hook):
    """Puts a digest into a state, which `check_state` compares when it is read.

    It comes behind all other hooks, the user's too: the digest is of what is written.
    """

    priority = "LOWEST"

    def before_save_checkpoint(self, runner: Any, checkpoint: dict[str, Any]) -> None:
        """Put the digest in."""
        checkpoint[DIGEST] = state_digest(checkpoint)


def state_digest(state: Mapping[str, Any]) -> str:
    """Return the digest of a state, without the one that it holds."""
    return value_digest({key: value for key, value in state.items() if key != DIGEST})


def check_state(state: Mapping[str, Any], path: str | Path) -> None:
    """Compare a state with its digest; one that an older plp wrote has none, which is noted.

    Raises:
        CheckpointError: if they do not fit.
    """
    if DIGEST not in state:
        note_unchecked("states", path)
    elif state[DIGEST] != state_digest(state):
        raise CheckpointError(
            f"{path} is damaged: its content does not match the digest that was written with it. "
            "Start the run again in another --work-dir"
        )


def _module(runner: Any) -> Any:
    return getattr(runner.model, "module", runner.model)
