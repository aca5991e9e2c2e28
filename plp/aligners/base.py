"""The contract of an aligner: a transport plan between the patches and the prompts of a class."""

import warnings
from abc import abstractmethod
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from plp.errors import ConfigError

Pairs = Float[Tensor, "*batch K N"]  # a value per pair (patch of K, prompt of N)
PairMask = Bool[Tensor, "*#batch K N"] | None  # True where a pair exists; None if all do


class Aligner(nn.Module):
    """Distributes a total mass of one over the pairs (patch of the support, prompt).

    An aligner is a map from similarities to a plan; the score of a class is
    `sum(plan * similarity)`. Sinkhorn, max-sim and the mean are all plans, so that one contract
    suite tests them and one drawing shows them. A local branch looks at the first plans of an
    aligner from outside plp and refuses what is none.

    Attributes:
        needs_shared_patches: Whether a row must be the same patch for every prompt, because mass
            that one prompt puts on it is no longer there for another. A branch warns where rows
            differ from prompt to prompt.
    """

    needs_shared_patches: bool = False

    @abstractmethod
    def forward(self, similarity: Pairs, mask: PairMask = None) -> Pairs:
        """Compute the plan.

        Args:
            similarity: Cosines in [-1, 1] of K patches and N prompts.
            mask: True where a pair exists; None means everywhere.

        Returns:
            Non-negative, summing to one over K and N, zero where the mask is False; float32 or
            better whatever autocast does.
        """


def require_tensor(value: object, name: str, optional: bool = False) -> None:
    """Refuse lists and arrays: which dtype and device they would become is not ours to guess.

    Raises:
        TypeError: with what to do.
    """
    if not isinstance(value, Tensor) and not (optional and value is None):
        raise TypeError(
            f"expected {name} as a tensor, got {type(value).__name__}. Use torch.as_tensor(...)"
        )


def upcast(similarity: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
    """Return the similarities in float32 or better.

    Raises:
        ConfigError: for integers, where a cosine cannot be meant.
        TypeError: for what is no tensor.
    """
    require_tensor(similarity, "the similarities")
    if not similarity.is_floating_point():
        raise ConfigError(f"expected floating-point similarities, got {similarity.dtype}")
    return similarity.float() if similarity.dtype in (torch.half, torch.bfloat16) else similarity


def __getattr__(name: str) -> Any:
    if name == "lifted":
        warnings.warn(
            "lifted is called upcast; lifted goes with 0.3", DeprecationWarning, stacklevel=2
        )
        return upcast
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def kept_pairs(similarity: Pairs, mask: PairMask) -> Bool[Tensor, "*batch K N"]:
    """Return the mask in the shape of the similarities; all True for None."""
    if mask is None:
        return torch.ones_like(similarity, dtype=torch.bool)
    return mask.expand(similarity.shape)
