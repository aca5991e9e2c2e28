"""No projection: best for out-of-distribution detection in SOT-GLP."""

from typing import final

from jaxtyping import Float
from torch import Tensor

from plp.projections.base import Projection
from plp.registry import PROJECTIONS


@final
@PROJECTIONS.register_module()
class IdentityProjection(Projection):
    """Leaves features as the frozen tower made them."""

    def forward(self, features: Float[Tensor, "... W"]) -> Float[Tensor, "... W"]:
        """Return the input."""
        return features
