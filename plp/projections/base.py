"""The contract of a projection head."""

from abc import abstractmethod

from jaxtyping import Float
from torch import Tensor, nn


class Projection(nn.Module):
    """Maps features to features of the same width: of patches, of whole images, or of texts.

    A local branch puts one on the dense features, before the joint projection; a global branch may
    put one on the pooled image feature and one on the texts, in the joint space. The branch that
    builds it supplies `width`.

    Attributes:
        supports_new_classes: Whether it can be used with classes it was not trained with.
    """

    supports_new_classes: bool = True

    @abstractmethod
    def forward(self, features: Float[Tensor, "... W"]) -> Float[Tensor, "... W"]:
        """Project features."""
