"""Every patch is support."""

from typing import final

import torch
from jaxtyping import Float
from torch import Tensor

from plp.registry import SELECTORS
from plp.selectors.base import Selector
from plp.structures import Support


@final
@SELECTORS.register_module()
class AllPatches(Selector):
    """Keeps all P patches (PLOT, Chen et al. 2023)."""

    def forward(self, similarity: Float[Tensor, "B P C N"]) -> Support:
        """Return the indices 0 .. P - 1 for every image and class."""
        images, patches, classes, _ = similarity.shape
        indices = torch.arange(patches, device=similarity.device)
        return Support(indices[None, None, :, None].expand(images, classes, -1, 1))
