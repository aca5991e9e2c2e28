"""How good logits are: what is chosen on validation images is chosen by this."""

import torch
from jaxtyping import Float, Float64, Int
from torch import Tensor
from torch.nn import functional as F


def quality(logits: Float[Tensor, "M C"], labels: Int[Tensor, " M"]) -> Float64[Tensor, "2"]:
    """Return accuracy, then negative cross-entropy to part ties: the larger pair is better.

    Logits that are not finite are for the caller to refuse: there is always a largest one.
    """
    accuracy = (logits.argmax(-1) == labels).float().mean()
    return torch.stack([accuracy.double(), -F.cross_entropy(logits, labels).double()])
