"""Randomness that depends on the epoch only, so that a resumed run repeats an unbroken one."""

import random
from typing import Any

import numpy as np
import torch
from mmengine.hooks import Hook

from plp.registry import HOOKS


@HOOKS.register_module()
class EpochSeedHook(Hook):
    """Seeds the global generators at the start of every epoch from (seed, epoch).

    Whatever a component draws in training (prompt dropout, noise of a user's own) is then the same
    whether the run was interrupted or not, and the same in all processes of a distributed run: what
    is drawn for a prompt must be, and what is drawn for an image is drawn for all images of the
    step (`PromptDropout`). Data order and augmentation have their own generators.

    Args:
        seed: Seed of the run.
    """

    priority = "VERY_HIGH"

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def before_train_epoch(self, runner: Any) -> None:
        """Seed Python, NumPy and torch on all devices."""
        state = np.random.SeedSequence([self.seed, runner.epoch, 0]).generate_state(1)[0]
        seed = int(state)
        random.seed(seed)
        np.random.seed(seed)
        torch.manual_seed(seed)
