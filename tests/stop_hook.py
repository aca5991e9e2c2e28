"""A hook that stops a run between two epochs."""

from mmengine.hooks import Hook

from plp.registry import HOOKS


class StoppedError(Exception):
    """Not an error of plp's: it leaves a tool as it is."""


@HOOKS.register_module()
class StopHook(Hook):
    """Raises at the start of an epoch, counted from 0."""

    priority = "LOWEST"

    def __init__(self, epoch: int) -> None:
        self.epoch = epoch

    def before_train_epoch(self, runner) -> None:
        if runner.epoch == self.epoch:
            raise StoppedError(f"before epoch {self.epoch}")
