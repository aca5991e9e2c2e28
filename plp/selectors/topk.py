"""Top-K selection of patches."""

from collections.abc import Sequence
from typing import final

from jaxtyping import Float
from torch import Tensor

from plp.checks import check_integer, is_integer
from plp.errors import ConfigError
from plp.registry import SELECTORS
from plp.selectors.base import Selector
from plp.structures import Support


@final
@SELECTORS.register_module()
class SharedTopK(Selector):
    """One support of K patches per class, shared by its prompts (SOT-GLP).

    Patches are ranked by their cosine averaged over the prompts of the class.

    Args:
        k: K, patches kept. An image with fewer patches keeps them all.

    Example:
        >>> import torch
        >>> SharedTopK(2)(torch.tensor([0.1, 0.5, 0.9]).view(1, 3, 1, 1)).indices.flatten()
        tensor([2, 1])
    """

    def __init__(self, k: int = 10) -> None:
        super().__init__()
        check_integer("k", k)
        self.k = k

    def forward(self, similarity: Float[Tensor, "B P C N"]) -> Support:
        """Select by the mean over prompts; indices are [B, C, K, 1]."""
        ranked = similarity.detach().mean(-1).transpose(1, 2)  # [B, C, P]
        return Support(ranked.topk(min(self.k, ranked.shape[-1]), dim=-1).indices[..., None])

    def extra_repr(self) -> str:
        """Show K in the printed module."""
        return f"k={self.k}"


@final
@SELECTORS.register_module()
class PromptTopK(Selector):
    """A support of its own for each prompt of a class, of one size or of growing sizes (GalLoP).

    Args:
        k: Patches kept: one number for all prompts, or one per prompt, such as (5, 10, 15, 20).
            An image with fewer patches keeps them all.
    """

    def __init__(self, k: int | Sequence[int] = (5, 10, 15, 20)) -> None:
        super().__init__()
        self.k = tuple(k) if isinstance(k, Sequence) else (k,)
        if not self.k or not all(is_integer(size, 1) for size in self.k):
            raise ConfigError(f"expected k to be an integer >= 1, or one per prompt, got {k!r}")

    def forward(self, similarity: Float[Tensor, "B P C N"]) -> Support:
        """Select by each prompt's own cosine; indices are [B, C, max K, N]."""
        patches, prompts = similarity.shape[1], similarity.shape[-1]
        if len(self.k) not in (1, prompts):
            raise ValueError(
                f"expected one k, or one for each of the {prompts} prompts, got {self.k}"
            )
        kept = tuple(min(k, patches) for k in self.k) * (prompts if len(self.k) == 1 else 1)
        ranked = similarity.detach().permute(0, 2, 1, 3)  # [B, C, P, N]
        indices = ranked.topk(max(kept), dim=2).indices
        return Support(indices, kept if len(set(kept)) > 1 else None)

    def extra_repr(self) -> str:
        """Show K in the printed module."""
        return f"k={self.k}"
