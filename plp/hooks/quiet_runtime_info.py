"""mmengine's bookkeeping without a look at the losses of every step."""

from typing import Any

from mmengine.hooks import LoggerHook, RuntimeInfoHook

from plp.registry import HOOKS


@HOOKS.register_module()
class QuietRuntimeInfoHook(RuntimeInfoHook):
    """`RuntimeInfoHook` that keeps losses in the message hub only where a `LoggerHook` reads them.

    mmengine's reads each loss from the device in every step, so that a GPU never gets work ahead.
    """

    def after_train_iter(
        self, runner: Any, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        """Pass the losses on if somebody wants them."""
        if any(isinstance(hook, LoggerHook) for hook in runner.hooks):
            super().after_train_iter(runner, batch_idx, data_batch, outputs)
