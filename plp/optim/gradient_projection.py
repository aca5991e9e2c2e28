"""Updates that do not work against what a frozen teacher knows (ProGrad)."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, final

import torch
from jaxtyping import Float
from mmengine.dist import all_reduce, get_world_size
from mmengine.optim import AmpOptimWrapper, OptimWrapper
from torch import Tensor

from plp.errors import ConfigError, did_you_mean
from plp.registry import OPTIM_WRAPPERS

Losses = Mapping[str, Float[Tensor, ""]]


def project(
    gradient: Sequence[Tensor], guide: Sequence[Tensor], strength: float = 1.0
) -> list[Tensor]:
    """Remove from a gradient what points against another one.

    With g and h the two gradients, each read as one vector: g - strength (g . h) h / |h|^2 where
    g . h < 0, else g (Zhu et al. 2023, ProGrad, equation 5). A zero guide changes nothing; one that
    is not finite makes the result so, which a loss scaler then notices.

    Args:
        gradient: g, one tensor per parameter.
        guide: h, likewise.
        strength: lambda; 1 removes all of it, 0 nothing.

    Example:
        >>> found, = project([torch.tensor([1.0, -2.0])], [torch.tensor([0.0, 3.0])])
        >>> found
        tensor([1., 0.])
    """
    dot = torch.stack([(g * h).sum() for g, h in zip(gradient, guide, strict=True)]).sum()
    square = torch.stack([h.square().sum() for h in guide]).sum()
    square = torch.where(square == 0, torch.ones_like(square), square)
    factor = strength * dot.clamp(max=0) / square  # no look at the device: 0 without a conflict
    return [g - factor * h for g, h in zip(gradient, guide, strict=True)]


class ProjectedUpdate(OptimWrapper):
    """What `GradientProjection` and its variant for float16 share.

    Args:
        guide: Name of the loss term in `model.losses` whose gradient is the guide.
        strength: lambda, see `project`; published 1, and 0.8 for some datasets.
        keywords: Of mmengine's wrapper: `optimizer`, `accumulative_counts`, `clip_grad` (acts on
            the projected gradient).
    """

    def __init__(self, guide: str, strength: float = 1.0, **keywords: Any) -> None:
        if isinstance(strength, bool) or not 0 <= strength <= 1:
            raise ConfigError(f"expected strength to be a number from 0 to 1, got {strength!r}")
        super().__init__(**keywords)
        self.guide = guide
        self.strength = float(strength)
        self._guide: list[Tensor] = []  # its gradient since the last step, by parameter

    def check_terms(self, names: Iterable[str]) -> None:
        """Refuse a guide that a learner's loss terms do not have.

        Raises:
            ConfigError: naming those it has.
        """
        terms = list(names)
        if self.guide not in terms:
            raise ConfigError(
                f"optim_wrapper: expected guide to name a loss term of model.losses, got "
                f"{self.guide!r}.{did_you_mean(self.guide, terms)} "
                f"Available: {', '.join(terms) or 'none'}"
            )

    def update_losses(self, losses: Losses) -> dict[str, Tensor]:
        """Take a step, or accumulate for one.

        Args:
            losses: Losses by name, `loss_<guide>` among them.

        Returns:
            What is logged: the losses, and as `loss` the sum that is minimized. The guide is not
            part of it.
        """
        guide = losses[f"loss_{self.guide}"]
        total = torch.stack([v for k, v in losses.items() if k != f"loss_{self.guide}"]).sum()
        if self.strength:
            self._add_guide(guide)
        self.update_params(total)
        return {"loss": total, **losses}

    def step(self, **keywords: Any) -> None:
        """Project the gradient, and update the parameters with the result."""
        if self._guide:
            guide = _mean_of_processes(self._guide)
            parameters = self._parameters()
            gradient = [torch.zeros_like(p) if p.grad is None else p.grad for p in parameters]
            projected = project(gradient, guide, self.strength)
            for parameter, found in zip(parameters, projected, strict=True):
                parameter.grad = found
            self._guide = []
        super().step(**keywords)

    def _add_guide(self, loss: Float[Tensor, ""]) -> None:
        """Add the guide's gradient; the graph stays for that of the other losses."""
        parameters = self._parameters()
        found = torch.autograd.grad(
            self._scaled(self.scale_loss(loss)), parameters, retain_graph=True, allow_unused=True
        )
        before = self._guide or [torch.zeros_like(p) for p in parameters]
        self._guide = [b if f is None else b + f for b, f in zip(before, found, strict=True)]

    def _parameters(self) -> list[Tensor]:
        groups = self.optimizer.param_groups
        return [p for group in groups for p in group["params"] if p.requires_grad]

    def _scaled(self, loss: Float[Tensor, ""]) -> Float[Tensor, ""]:
        """Scale a loss as `backward` scales the others."""
        return loss


@final
@OPTIM_WRAPPERS.register_module()
class GradientProjection(ProjectedUpdate):
    """Minimizes all losses but one, which only guides: ProGrad's update (arXiv:2205.14865).

    Of the gradient of the losses, what points against the gradient of the guide (a loss term that
    compares with a frozen teacher) is removed. The guide itself is never minimized, and momentum
    and weight decay come after the projection. All that is learned counts as one vector.

    A step goes back through the text tower twice. Several processes project once, the mean of their
    gradients against the mean of their guides: with parts of equal size, these are the gradients of
    the whole batch, and the update is that of one process.

    Args: See `ProjectedUpdate`. With `--amp fp16` a run takes `AmpGradientProjection` instead.
    """


@final
@OPTIM_WRAPPERS.register_module()
class AmpGradientProjection(ProjectedUpdate, AmpOptimWrapper):
    """`GradientProjection` with a scaled loss, for float16.

    Both gradients are scaled alike, so the projection is that of the unscaled ones. Where either
    overflows the step is skipped and the scale falls.

    Args: See `ProjectedUpdate` and mmengine's `AmpOptimWrapper`.
    """

    def _scaled(self, loss: Float[Tensor, ""]) -> Float[Tensor, ""]:
        return self.loss_scaler.scale(loss)


def _mean_of_processes(gradient: list[Tensor]) -> list[Tensor]:
    """Return the gradient of the whole batch, of which every process has a part."""
    if get_world_size() == 1:
        return gradient
    flat = torch.cat([tensor.flatten() for tensor in gradient])
    all_reduce(flat)
    parts = (flat / get_world_size()).split([tensor.numel() for tensor in gradient])
    return [part.view_as(one) for part, one in zip(parts, gradient, strict=True)]
