"""Settings of the lite backbone: what they may be, and what depends on them."""

import hashlib

from jaxtyping import Int
from open_clip.zero_shot_metadata import IMAGENET_CLASSNAMES
from torch import Tensor

from plp.backbones._lite_joint import FIT_VERSION
from plp.checks import check_number
from plp.errors import ConfigError

TEMPLATE = "a photo of a {}."
_STRIDE = 32  # pixels a cell of the map before pooling


def fit_key(weights: str, ridge: float) -> str:
    """Return what the fitted map depends on, as a digest."""
    parts = (FIT_VERSION, weights, float(ridge), TEMPLATE, tuple(IMAGENET_CLASSNAMES))
    return hashlib.sha256(repr(parts).encode()).hexdigest()


def check_side(what: str, side: object) -> None:
    """Refuse a side of an image that is not a multiple of 32."""
    if type(side) is not int or side < _STRIDE or side % _STRIDE:
        raise ConfigError(f"expected an {what} that is a multiple of {_STRIDE}, got {side!r}")


def check_positive(**constants: object) -> None:
    """Refuse a constant that is not above 0, by its name."""
    for name, value in constants.items():
        check_number(name, value, above=True)


def check_lengths(lengths: Int[Tensor, " M"], most: int, given: int) -> int:
    """Return the tokens of the longest text.

    Args:
        lengths: Tokens of each text.
        most: As many as the text tower takes.
        given: As many as there are embeddings of.

    Raises:
        ConfigError: if it has more.
    """
    longest = int(lengths.max())
    if longest > most:
        raise ConfigError(
            f"expected prompts of at most {most} tokens, got {longest}: use fewer context tokens "
            "or shorter class names"
        )
    if longest > given:
        raise ConfigError(
            f"expected end tokens within the {given} embeddings of a prompt, got one at position "
            f"{longest - 1}"
        )
    return longest
