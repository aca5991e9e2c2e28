"""How far features lie from a teacher's."""

from typing import Literal

from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from plp.checks import check_choice, check_number

Distance = Literal["cosine", "l1"]


def check_anchor(weight: float, distance: str) -> None:
    """Refuse a weight or distance that there is not."""
    check_number("weight", weight)
    check_choice("distance", distance, ("cosine", "l1"))


def distance(
    features: Float[Tensor, "*batch E"], teacher: Float[Tensor, "*#batch E"], kind: Distance
) -> Float[Tensor, ""]:
    """Return the mean distance of features from a teacher's, both brought to length one.

    'cosine' is the mean over features of 1 - cos; 'l1' the mean over features *and their E entries*
    of |difference|, as torch's `l1_loss`: for E = 512 it is small.

    Args:
        features: What is learned.
        teacher: What it is held against; axes of length one go with any.
        kind: Which distance.
    """
    found, wanted = F.normalize(features, dim=-1), F.normalize(teacher, dim=-1)
    if kind == "cosine":
        # As published (MMRL, TCP): a distance near zero has as many digits as this order leaves it.
        return 1 - F.cosine_similarity(found, wanted, dim=-1).mean()
    return (found - wanted).abs().mean()
