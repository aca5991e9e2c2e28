"""A training step in the stages that the benchmarks tell apart."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import torch
from _bench import sgd

STAGES = ("image", "text", "local", "backward", "optimiser")


def make_step(
    learner: Any,
    images: Any,
    labels: torch.Tensor,
    clock: Callable[[str], AbstractContextManager[None]],
) -> Callable[[], torch.Tensor]:
    """Return a function that makes a step, what `learner(..., mode="loss")` and a Runner do.

    Args:
        learner: In training mode, on its device.
        images: Anything that it takes; features leave nothing for the stage `image`.
        labels: Of the images.
        clock: Times each stage.
    """
    from plp.learners.precision import PRECISIONS

    optimiser = sgd(learner.parameters())
    backbone, half = learner.backbone, PRECISIONS[learner.precision]
    kind = backbone.device.type
    scaler = torch.amp.GradScaler(kind, enabled=half is torch.float16)

    def step() -> torch.Tensor:
        with clock("image"):
            features = learner.encode_image(images)
        with clock("text"):
            texts = learner.encode_text(features)
        with clock("local"):
            with torch.autocast(kind, half, enabled=half is not None):
                evidence = learner.branches.evidence(features, texts, backbone, pairs=False)
            loss = sum(
                branch.loss(evidence[name], labels, backbone.logit_scale)
                for name, branch in learner.branches.items()
            )
        finish(clock, loss, optimiser, scaler)
        return loss.detach()

    return step


def finish(
    clock: Callable[[str], AbstractContextManager[None]],
    loss: torch.Tensor,
    optimiser: torch.optim.Optimizer,
    scaler: torch.amp.GradScaler,
) -> None:
    """Go back and move; the scaler does something in fp16 only."""
    with clock("backward"):
        scaler.scale(loss).backward()
    with clock("optimiser"):
        scaler.step(optimiser)
        scaler.update()
        optimiser.zero_grad()
