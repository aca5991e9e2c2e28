"""A training loop by epochs that ends at a step, and tells the learner of stages."""

import logging
from collections.abc import Sequence
from itertools import accumulate
from typing import Any, cast

from mmengine.runner import EpochBasedTrainLoop

from plp.errors import ConfigError
from plp.learners.prompt_learner import PromptLearner
from plp.registry import LOOPS

logger = logging.getLogger("plp")


@LOOPS.register_module()
class StagedTrainLoop(EpochBasedTrainLoop):
    """mmengine's loop by epochs; the last may end early, and stages may begin within one.

    `train_cfg.steps_per_shot` and `train_cfg.stages` of a config make it, see `with_length`.

    Args:
        runner: The runner.
        dataloader: The shots.
        max_epochs: Epochs, the last of which may end early.
        max_steps: Steps of the run; None for whole epochs.
        stages: Steps of each stage; None for one stage.
        **options: As mmengine's loop takes them.
    """

    def __init__(
        self,
        runner: Any,
        dataloader: Any,
        max_epochs: int,
        max_steps: int | None = None,
        stages: Sequence[int] | None = None,
        **options: Any,
    ) -> None:
        super().__init__(runner, dataloader, max_epochs, **options)
        if max_steps is not None:
            self._max_iters: int = min(max_steps, max_epochs * len(self.dataloader))
        self.starts = [0, *accumulate(stages)][:-1] if stages else [0]
        self._check_stages()

    @property
    def _learner(self) -> PromptLearner:
        return cast(PromptLearner, getattr(self.runner.model, "module", self.runner.model))

    def _check_stages(self) -> None:
        for stage in range(len(self.starts)):
            if not self._learner.learns_in(stage):
                raise ConfigError(
                    f"nothing is learned in stage {stage} of {len(self.starts)}, counted from 0 "
                    "(train_cfg.stages): see learned_in of model.tuners and stage of "
                    "model.branches"
                )

    def run(self) -> Any:
        """Train; of a run that is resumed, from the stage on that it stopped in."""
        self._begin(max(s for s, start in enumerate(self.starts) if start <= self._iter))
        return super().run()

    def run_epoch(self) -> None:
        """Train an epoch, or what is left of the run."""
        self.runner.call_hook("before_train_epoch")
        self.runner.model.train()
        for place, batch in enumerate(self.dataloader):
            if self._iter and self._iter in self.starts:
                self._begin(self.starts.index(self._iter))
            self.run_iter(place, batch)
            if self._iter >= self._max_iters:
                break
        self.runner.call_hook("after_train_epoch")
        self._epoch += 1

    def _begin(self, stage: int) -> None:
        for line in self._learner.begin_stage(stage):
            logger.info("step %d: stage %d begins, %s", self._iter + 1, stage + 1, line)
