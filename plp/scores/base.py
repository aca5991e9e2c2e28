"""The contract of an out-of-distribution score."""

from abc import abstractmethod
from collections.abc import Mapping

from jaxtyping import Float
from torch import Tensor, nn

from plp.structures import Evidence


class Score(nn.Module):
    """Says how far an image is from all classes. Lower means more in-distribution.

    Attributes:
        needs_patches: Whether the score looks at single patches: evidence must then be asked for
            with `patch_scores=True`.
    """

    needs_patches: bool = False

    @abstractmethod
    def forward(self, evidence: Mapping[str, Evidence]) -> Float[Tensor, " B"]:
        """Score a batch from what the branches say about it, by branch name."""
