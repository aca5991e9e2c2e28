"""A hook that stops a run between two epochs."""

from mmengine.dist import get_rank
from mmengine.hooks import Hook

from plp.registry import HOOKS


class StoppedError(Exception):
    """Not an error of plp's: it leaves a tool as it is."""


@HOOKS.register_module()
class StopHook(Hook):
    """Raises at the start of an epoch, counted from 0, in one process or in all."""

    priority = "LOWEST"

    def __init__(self, epoch: int, rank: int | None = None) -> None:
        self.epoch = epoch
        self.rank = rank

    def before_train_epoch(self, runner) -> None:
        if runner.epoch == self.epoch and self.rank in (None, get_rank()):
            raise StoppedError(f"before epoch {self.epoch}")


@HOOKS.register_module()
class StopWithinEpochHook(Hook):
    """Raises in front of a step, counted from 0."""

    priority = "LOWEST"

    def __init__(self, step: int) -> None:
        self.step = step

    def before_train_iter(self, runner, batch_idx, data_batch=None) -> None:
        if runner.iter == self.step:
            raise StoppedError(f"before step {self.step}")
