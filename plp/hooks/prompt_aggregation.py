"""The weighted mean of what a run learns, over its epochs (PromptSRC)."""

from typing import Any, final

import torch
from jaxtyping import Float
from mmengine.hooks import Hook
from torch import Tensor

from plp.checks import check_number
from plp.errors import CheckpointError, ConfigError
from plp.registry import HOOKS

_KEY = "prompt_aggregation"


@final
@HOOKS.register_module()
class PromptAggregationHook(Hook):
    """Gaussian prompt aggregation: `sum over epochs of w_e * parameters behind epoch e`.

    With w_e proportional to exp(-(e - mean)^2 / (2 std^2)), e = 1, 2, ..., of sum one (Khattak et
    al. 2023, PromptSRC, section 3.3). The sum never feeds back into training; behind the last
    epoch it takes the place of what was learned, and is tested and saved. The published code sums
    the frozen weights too, which only rounds them.

    The sum so far is in the state that `--resume` continues from. It is kept in float64 on the CPU.

    Args:
        mean: Epoch of the largest weight; may lie outside the run.
        std: Width in epochs. Published mean and std: 30 and 30, or 45 and 5, of 50 epochs; base to
            new 15 and 1 of 20.

    Raises:
        ConfigError: for a std that is not above 0, or where the best epoch is to be tested.
    """

    def __init__(self, mean: int | float, std: int | float) -> None:
        check_number("mean (in epochs)", mean)
        check_number("std (in epochs)", std, above=True)
        self.mean, self.std = mean, std
        self._sum: dict[str, Tensor] | None = None

    def before_run(self, runner: Any) -> None:
        """Refuse a run that tests the epoch which does best on validation images."""
        if any(getattr(hook, "keep_best", False) for hook in runner.hooks):
            raise ConfigError(
                "selection='val' (--val) tests a single epoch, and this method tests the weighted "
                "mean of all epochs (PromptAggregationHook). Leave --val out, or take the hook out "
                "with --cfg-options hooks.aggregation=None"
            )

    def before_train(self, runner: Any) -> None:
        """Begin at nothing, unless a state was read."""
        self._weights = aggregation_weights(runner.max_epochs, self.mean, self.std)
        if self._sum is None:
            self._sum = {name: torch.zeros_like(at) for name, at in _learned(runner).items()}

    def after_train_epoch(self, runner: Any) -> None:
        """Add what the epoch has learned."""
        weight = self._weights[runner.epoch]
        for name, value in _learned(runner).items():
            self._total[name] += weight * value

    def after_train(self, runner: Any) -> None:
        """Put the sum in the place of what was learned."""
        parameters = dict(_module(runner).named_parameters())
        with torch.no_grad():
            for name, value in self._total.items():
                parameters[name].copy_(value)

    def before_save_checkpoint(self, runner: Any, checkpoint: dict[str, Any]) -> None:
        """Put the sum so far into a state."""
        checkpoint[_KEY] = {name: value.clone() for name, value in self._total.items()}

    def after_load_checkpoint(self, runner: Any, checkpoint: dict[str, Any]) -> None:
        """Go on from the sum of a state."""
        if _KEY not in checkpoint:
            raise CheckpointError(
                "the state holds no sum over the epochs before it: it was written without "
                "PromptAggregationHook. Start the run again in another --work-dir"
            )
        self._sum = {name: value.cpu() for name, value in checkpoint[_KEY].items()}

    @property
    def _total(self) -> dict[str, Tensor]:
        if self._sum is None:
            raise RuntimeError("PromptAggregationHook is used outside a training")
        return self._sum


def aggregation_weights(
    epochs: int, mean: int | float, std: int | float
) -> Float[Tensor, " epochs"]:
    """Return the weight of each epoch, float64; their sum is one.

    Example:
        >>> [round(w, 3) for w in aggregation_weights(3, mean=2, std=1).tolist()]
        [0.274, 0.452, 0.274]
    """
    epoch = torch.arange(1, epochs + 1, dtype=torch.float64)
    return (-((epoch - mean) ** 2) / (2 * std**2)).softmax(0)  # no underflow far from the mean


def _learned(runner: Any) -> dict[str, Tensor]:
    """Return copies of what is learned, float64 on the CPU."""
    parameters = _module(runner).named_parameters()
    return {name: p.detach().cpu().double() for name, p in parameters if p.requires_grad}


def _module(runner: Any) -> Any:
    return getattr(runner.model, "module", runner.model)
