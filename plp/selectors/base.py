"""The contract of a patch selector."""

from abc import abstractmethod

from jaxtyping import Float
from torch import Tensor, nn

from plp.structures import Support


class Selector(nn.Module):
    """Picks, for each image and class, the patches a class may look at."""

    @abstractmethod
    def forward(self, similarity: Float[Tensor, "B P C N"]) -> Support:
        """Select patches by their cosines with the prompts. Indices carry no gradient."""
