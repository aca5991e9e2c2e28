"""Progress of training: one line an epoch, or every few seconds of a long one."""

import logging
import math
import time
from pathlib import Path
from typing import Any

from mmengine.dist import is_main_process
from mmengine.hooks import Hook

from plp.errors import PlpError
from plp.hooks.json_lines import add_row, drop_repeated, read_rows, write_rows
from plp.registry import HOOKS

logger = logging.getLogger("plp")

_WAY_OUT = (
    "Lower the learning rate (--cfg-options optim_wrapper.optimizer.lr=...) or train with --amp no "
    "or --amp bf16. The last good state, if one was written, is kept."
)


class NotFiniteError(PlpError):
    """The loss became NaN or infinite."""


@HOOKS.register_module()
class ProgressHook(Hook):
    """Logs losses, learning rate and time left, writes curves, stops at a loss that is not finite.

    Curves go to `curves.jsonl` in the work directory, one JSON object an epoch, with the accuracy
    on validation images where they were looked at; a resumed run drops the epochs it repeats.

    Args:
        every: Seconds between two lines; the last epoch always gets one.
    """

    priority = "LOW"

    def __init__(self, every: float = 5.0) -> None:
        self.every = every
        self._sums: dict[str, Any] = {}
        self._steps = 0

    def before_train(self, runner: Any) -> None:
        """Start the clock; keep the curves of the epochs that are done."""
        self._curves = Path(runner.work_dir) / "curves.jsonl"
        self._begin = self._shown = time.monotonic()
        self._first_step = runner.iter
        if not is_main_process():
            return
        drop_repeated(self._curves, runner.epoch)

    def before_train_epoch(self, runner: Any) -> None:
        """Begin new averages."""
        self._sums, self._steps = {}, 0

    def after_train_iter(
        self, runner: Any, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        """Add the losses up; nothing is read from the device unless a line is due."""
        for name, value in (outputs or {}).items():
            if "loss" in name:
                self._sums[name] = self._sums.get(name, 0.0) + value.detach()
        self._steps += 1
        if time.monotonic() - self._shown >= self.every:
            self._show(runner, runner.iter + 1, f"step {batch_idx + 1}")

    def after_train_epoch(self, runner: Any) -> None:
        """Check losses and parameters, write the curves, show a line if one is due."""
        last = runner.epoch + 1 == runner.max_epochs
        if last or time.monotonic() - self._shown >= self.every:
            means = self._show(runner, runner.iter, "")
        else:
            means = self._means(runner)
        _check_parameters(runner)
        if is_main_process():
            row = {"epoch": runner.epoch + 1, "lr": _learning_rate(runner), **means}
            add_row(self._curves, row)

    def after_val_epoch(self, runner: Any, metrics: dict[str, float] | None = None) -> None:
        """Log the accuracy on validation images and add it to the epoch's curves."""
        if not metrics or "accuracy" not in metrics:
            return
        logger.info("epoch %d: validation accuracy %.1f", runner.epoch, metrics["accuracy"])
        if is_main_process():
            found = {"val_accuracy": metrics["accuracy"]}
            rows = read_rows(self._curves)
            write_rows(
                self._curves,
                [row | found if row["epoch"] == runner.epoch else row for row in rows],
            )

    def _show(self, runner: Any, done: int, step: str) -> dict[str, float]:
        means = self._means(runner)
        self._shown = time.monotonic()
        rate = (self._shown - self._begin) / max(done - self._first_step, 1)
        losses = "  ".join(f"{name} {value:.4f}" for name, value in means.items())
        logger.info(
            "epoch %d/%d %s %s  lr %.2g  %.2f s a step  %s left",
            runner.epoch + 1,
            runner.max_epochs,
            step,
            losses,
            _learning_rate(runner),
            rate,
            _clock(rate * (runner.max_iters - done)),
        )
        return means

    def _means(self, runner: Any) -> dict[str, float]:
        means = {name: float(value) / self._steps for name, value in self._sums.items()}
        for name, value in means.items():
            if not math.isfinite(value):
                raise NotFiniteError(
                    f"{name} became {value} in epoch {runner.epoch + 1}. {_WAY_OUT}"
                )
        return means


def _check_parameters(runner: Any) -> None:
    """Refuse what the epoch's last step made of the parameters: no loss has seen it yet."""
    for name, parameter in runner.model.named_parameters():
        if parameter.requires_grad and not bool(parameter.isfinite().all()):
            raise NotFiniteError(
                f"{name} became NaN or infinite in epoch {runner.epoch + 1}. {_WAY_OUT}"
            )


def _learning_rate(runner: Any) -> float:
    return float(runner.optim_wrapper.get_lr()["lr"][0])


def _clock(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    return f"{minutes} min {seconds:02d} s" if minutes else f"{seconds} s"
