"""The contract of an aligner: a transport plan between the patches and the prompts of a class."""

from abc import abstractmethod

from jaxtyping import Bool, Float
from torch import Tensor, nn


class Aligner(nn.Module):
    """Distributes a total mass of one over the pairs (patch of the support, prompt).

    An aligner is a map from similarities to a plan; the score of a class is
    `sum(plan * similarity)`. Sinkhorn, max-sim and the mean are all plans, so that one contract
    suite tests them and one drawing shows them.
    """

    @abstractmethod
    def forward(
        self,
        similarity: Float[Tensor, "*batch K N"],
        mask: Bool[Tensor, "*#batch K N"] | None = None,
    ) -> Float[Tensor, "*batch K N"]:
        """Compute the plan.

        Args:
            similarity: Cosines in [-1, 1] of K patches and N prompts.
            mask: True where a pair exists; None means everywhere.

        Returns:
            Non-negative, summing to one over K and N, zero where the mask is False; float32 or
            better whatever autocast does.
        """
