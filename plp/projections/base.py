"""The contract of a projection head on dense features."""

from abc import abstractmethod

from jaxtyping import Float
from torch import Tensor, nn


class Projection(nn.Module):
    """Maps dense features to dense features of the same width, before the joint projection."""

    @abstractmethod
    def forward(self, dense: Float[Tensor, "B P W"]) -> Float[Tensor, "B P W"]:
        """Project patch features."""
