"""Keep image features near those of the frozen tower (MMRL, PromptSRC)."""

from typing import final

from jaxtyping import Float
from torch import Tensor

from plp.errors import ConfigError
from plp.losses.base import LossInputs, LossTerm
from plp.losses.distances import Distance, check_anchor, distance
from plp.registry import LOSSES


@final
@LOSSES.register_module()
class ImageAnchor(LossTerm):
    """`weight * mean over images of a distance from the frozen tower's feature`.

    Of the pooled feature of the same view of the image; the same of texts is `TextAnchor`. With
    'cosine', 1 - cos: Guo and Gu 2025, MMRL, equation 15. With 'l1', Khattak et al. 2023,
    PromptSRC, equation 3.

    Args:
        weight: Published with MMRL from 0.01 to 7 by dataset, with PromptSRC 10.
        distance: 'cosine', or 'l1', the mean over the entries of the features too.
    """

    needs_frozen_images = True

    def __init__(self, weight: float = 0.5, distance: Distance = "cosine") -> None:
        super().__init__()
        check_anchor(weight, distance)
        self.weight = weight
        self.distance = distance

    def forward(self, inputs: LossInputs) -> Float[Tensor, ""]:
        """Measure how far image features have moved."""
        if inputs.features is None:
            raise ConfigError("expected image features to compare with the frozen tower's")
        pooled, frozen = inputs.features.pooled, inputs.features.untuned.pooled.detach()
        return self.weight * distance(pooled.float(), frozen.float(), self.distance)

    def extra_repr(self) -> str:
        """Show the settings in the printed module."""
        return f"weight={self.weight}, distance={self.distance!r}"
