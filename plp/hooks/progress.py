"""Progress of training: one line per epoch, or every few seconds of a long one."""

import logging
import math
import time
from pathlib import Path
from typing import Any

from mmengine.dist import is_main_process
from mmengine.hooks import Hook

from plp.errors import NotFiniteError
from plp.hooks.json_lines import add_row, drop_repeated, read_rows, write_rows
from plp.progress import Progress, duration
from plp.registry import HOOKS

logger = logging.getLogger("plp")

_SOON = 1.0  # seconds from the first step to the first line
_WAY_OUT = (
    "Lower the learning rate (--cfg-options optim_wrapper.optimizer.lr=...) or train with --amp no "
    "or --amp bf16. The last good state, if one was written, is kept."
)


@HOOKS.register_module()
class ProgressHook(Hook):
    """Logs losses, learning rate and time left, writes curves, stops at a loss that is not finite.

    Curves go to `curves.jsonl` in the work directory, one JSON object per epoch, with the rate of
    its first step and the accuracy on validation images where they were looked at; a resumed run
    drops the epochs it repeats.

    Time left is reckoned without the first step, into which falls whatever is prepared when it is
    first used. The test reports its progress, too.

    Args:
        every: Seconds between two lines; the last epoch always gets one, and the first comes as
            soon as there is a rate, a second after the first step.
    """

    priority = "LOW"

    def __init__(self, every: float = 5.0) -> None:
        self.every = every
        self._sums: dict[str, Any] = {}
        self._steps = 0
        self._rates = (0.0, 0.0)  # lowest and highest of all parameters
        self._rate = self._epoch_rate = 0.0  # of the last step; of the epoch's first
        self._test = Progress("testing", 0)

    def before_train(self, runner: Any) -> None:
        """Start the clock; keep the curves of the epochs that are done."""
        self._curves = Path(runner.work_dir) / "curves.jsonl"
        self._begin = self._shown = time.monotonic()
        self._first_step = runner.iter
        self._warm = False
        if not is_main_process():
            return
        drop_repeated(self._curves, runner.epoch)

    def before_train_epoch(self, runner: Any) -> None:
        """Begin new averages."""
        self._sums, self._steps = {}, 0

    def before_train_iter(self, runner: Any, batch_idx: int, data_batch: Any = None) -> None:
        """Read the rate of this step: after it the schedule has moved on to the next."""
        rates = [float(rate) for rate in runner.optim_wrapper.get_lr()["lr"]]
        self._rate, self._rates = rates[0], (min(rates), max(rates))
        if batch_idx == 0:
            self._epoch_rate = self._rate

    def after_train_iter(
        self, runner: Any, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        """Add the losses up; nothing is read from the device unless a line is due."""
        for name, value in (outputs or {}).items():
            if "loss" in name:
                self._sums[name] = self._sums.get(name, 0.0) + value.detach()
        self._steps += 1
        if not self._warm:
            self._leave_out_first(runner)
        elif time.monotonic() - self._shown >= self.every:
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
            row = {"epoch": runner.epoch + 1, "lr": self._epoch_rate, **means}
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

    def before_test(self, runner: Any) -> None:
        """Begin to count the test images, of this process where there are several."""
        self._test = Progress("testing", len(runner.test_dataloader.sampler))

    def after_test_iter(
        self, runner: Any, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        """Count a batch of the test."""
        self._test.add(len((data_batch or {}).get("labels", ())))

    def _leave_out_first(self, runner: Any) -> None:
        """Start the clock anew behind the first step; the next line is due in a second."""
        self._warm, self._first_step = True, runner.iter + 1
        self._begin = time.monotonic()
        self._shown = self._begin - self.every + min(self.every, _SOON)

    def _show(self, runner: Any, done: int, step: str) -> dict[str, float]:
        means = self._means(runner)
        self._shown = time.monotonic()
        timed = done - self._first_step
        rate = (self._shown - self._begin) / max(timed, 1)
        left = f"  {rate:.2f} s per step  {duration(rate * (runner.max_iters - done))} left"
        losses = "  ".join(f"{name} {value:.4f}" for name, value in means.items())
        logger.info(
            "epoch %d/%d %s %s  lr %s%s",
            runner.epoch + 1,
            runner.max_epochs,
            step,
            losses,
            self._shown_rate(self._rate if step else self._epoch_rate),
            left if timed > 0 else "",
        )
        return means

    def _shown_rate(self, rate: float) -> str:
        """Return a rate as text; of parameters with rates of their own, the lowest and highest."""
        low, high = self._rates
        if low == high or not self._rate:
            return f"{rate:.2g}"
        part = rate / self._rate  # all groups follow one schedule
        return f"{low * part:.2g} to {high * part:.2g}"

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
