"""What of a learner is computed from images rather than learned by gradient."""

from collections.abc import Callable, Mapping

import torch
from jaxtyping import Float
from torch import Tensor

from plp.branches.base import Branch
from plp.learners.class_texts import ClassTexts
from plp.structures import Shots


class FittedParts(ClassTexts):
    """A learner whose branches may be fitted to shots before training, and tuned behind it."""

    def fit(self, shots: Shots, val: Shots | None) -> list[str]:
        """Fit, before training, the branches that need the shots; return what was done."""
        with torch.no_grad():
            texts = self._texts_of(lambda branch: branch.needs_shots)
        return self.branches.fit(shots, val, texts)

    def tune(self, val: Shots) -> list[str]:
        """Tune, after training, the branches that ask for it; return what was chosen."""
        return self.branches.tune(val, self._texts_of(lambda branch: branch.needs_tuning))

    def _texts_of(self, wanted: Callable[[Branch], bool]) -> dict[str, Float[Tensor, "..."]]:
        """Encode the prompts of some branches."""
        names = {name for name, branch in self.branches.named() if wanted(branch)}
        prompts = {n: prompt for n, prompt in self.branches.prompts.items() if n in names}
        return self._encoded(prompts, acted_on=True)

    def freeze_for(self, stage: int) -> None:
        """Let be learned from now on what is learned in a stage of training, counted from 0."""
        self.branches.freeze_for(stage)
        self.tuners.freeze_for(stage)

    @property
    def learns(self) -> bool:
        """Whether anything is learned by gradient; what is empty until `fit` counts."""
        learned = [parameter for parameter in self.parameters() if parameter.requires_grad]
        return any(parameter.numel() or self.needs_shots for parameter in learned)

    def learns_in(self, stage: int) -> bool:
        """Whether anything is learned by gradient in a stage of training, counted from 0."""
        before = [(parameter, parameter.requires_grad) for parameter in self.parameters()]
        self.freeze_for(stage)
        learns = self.learns
        for parameter, learned in before:
            parameter.requires_grad_(learned)
        return learns

    def begin_stage(self, stage: int) -> list[str]:
        """Begin a stage of training (`train_cfg.stages`); return what was done in it.

        Tuners that are not learned in it stay as they are, and act.
        """
        training = self.training
        self.eval()
        fixed = {n: p for n, p in self.branches.prompts.items() if not p.source.sees_images}
        with torch.no_grad():
            texts = self._encoded(fixed, acted_on=True)
        self.freeze_for(stage)
        done = self.branches.begin_stage(stage, texts)
        self.train(training)
        return done

    @property
    def needs_shots(self) -> bool:
        """Whether `fit` must be called before training."""
        return self.branches.needs_shots

    @property
    def needs_tuning(self) -> bool:
        """Whether `tune` wants to be called after training."""
        return self.branches.needs_tuning

    def accommodate(self, state: Mapping[str, Tensor]) -> None:
        """Make room for a state whose tensors depend on the number of shots."""
        self.branches.accommodate(state, "branches.")
