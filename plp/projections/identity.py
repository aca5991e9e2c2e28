"""No projection: best for out-of-distribution detection in SOT-GLP."""

from typing import final

from jaxtyping import Float
from torch import Tensor

from plp.projections.base import Projection
from plp.registry import PROJECTIONS


@final
@PROJECTIONS.register_module()
class IdentityProjection(Projection):
    """Leaves dense features as the frozen tower made them."""

    def forward(self, dense: Float[Tensor, "B P W"]) -> Float[Tensor, "B P W"]:
        """Return the input."""
        return dense
