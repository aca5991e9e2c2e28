"""From logits to probabilities: one distribution over the classes, or each class by itself."""

from typing import Literal, TypeAlias

from jaxtyping import Float
from torch import Tensor

from plp.errors import ConfigError, did_you_mean

Probability: TypeAlias = Literal["softmax", "sigmoid"]
PROBABILITIES: tuple[Probability, ...] = ("softmax", "sigmoid")


def probabilities_of(
    logits: Float[Tensor, "B C"], kind: Probability = "softmax"
) -> Float[Tensor, "B C"]:
    """Return class probabilities.

    Args:
        logits: s cos(image, text) + b with the model's logit scale s and bias b, if it has one.
        kind: 'softmax' (CLIP): exp(z_c) / sum exp(z), which class of these. 'sigmoid' (SigLIP,
            Zhai et al. 2023): 1 / (1 + exp(-z_c)), whether this class, whatever the others; they
            need not add up to one.

    Example:
        >>> import torch
        >>> logits = torch.tensor([[0.0, 0.0, -10.0]])
        >>> probabilities_of(logits).round(decimals=3), probabilities_of(logits, 'sigmoid').sum()
        (tensor([[0.5000, 0.5000, 0.0000]]), tensor(1.0000))
    """
    return logits.sigmoid() if kind == "sigmoid" else logits.softmax(-1)


def check_probability(kind: str) -> None:
    """Refuse a kind that there is not.

    Raises:
        ConfigError: naming those there are.
    """
    if kind not in PROBABILITIES:
        raise ConfigError(
            f"expected probability {' or '.join(map(repr, PROBABILITIES))}, got {kind!r}."
            f"{did_you_mean(str(kind), PROBABILITIES)}"
        )
