"""How good logits are: what is chosen on validation images is chosen by this."""

from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F


def quality(logits: Float[Tensor, "M C"], labels: Int[Tensor, " M"]) -> tuple[float, float]:
    """Return accuracy, then negative cross-entropy to part ties: the larger pair is better."""
    accuracy = (logits.argmax(-1) == labels).float().mean()
    return float(accuracy), -float(F.cross_entropy(logits, labels))
