"""One step of training: losses to an update, with whatever optimizer wrapper a run has."""

from collections.abc import Mapping
from typing import Any

from mmengine.model import BaseModel
from mmengine.optim import OptimWrapper
from torch import Tensor


class Trained(BaseModel):
    """A model whose losses reach the optimizer wrapper as `take_step` says."""

    def train_step(self, data: Any, optim_wrapper: OptimWrapper) -> dict[str, Tensor]:
        """Take a step on a batch, as mmengine's loops ask for; return the losses."""
        with optim_wrapper.optim_context(self):
            losses = self(**self.data_preprocessor(data, True), mode="loss")
        return take_step(self, losses, optim_wrapper)


def take_step(
    model: BaseModel, losses: Mapping[str, Tensor], optim_wrapper: OptimWrapper
) -> dict[str, Tensor]:
    """Update what is learned; return the losses that are logged.

    mmengine hands an optimizer wrapper the sum of all losses. One with a method `update_losses`
    gets them by name, such as `GradientProjection`, which minimizes all but one of them.
    """
    by_name = getattr(optim_wrapper, "update_losses", None)
    if by_name is not None:
        return dict(by_name(losses))
    total, logged = model.parse_losses(losses)
    optim_wrapper.update_params(total)
    return dict(logged)
