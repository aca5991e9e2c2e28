"""Losses are read from the device only where somebody shows them."""

from types import SimpleNamespace

import torch
from mmengine.hooks import LoggerHook
from mmengine.logging import MessageHub

from plp.hooks import QuietRuntimeInfoHook


def scalars_after_a_step(hooks, name):
    hub = MessageHub.get_instance(name)
    runner = SimpleNamespace(hooks=hooks, message_hub=hub)
    QuietRuntimeInfoHook().after_train_iter(runner, 0, None, {"loss": torch.tensor(2.0)})
    return {key: value.current() for key, value in hub.log_scalars.items()}


def test_without_a_logger_nothing_is_read():
    assert scalars_after_a_step([], "quiet") == {}


def test_a_logger_gets_its_losses():
    assert scalars_after_a_step([LoggerHook()], "loud") == {"train/loss": 2.0}
