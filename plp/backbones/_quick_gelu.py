"""Which activation weights were trained with: known, refused or asked for, never guessed.

OpenAI's CLIP was trained with QuickGELU, x sigmoid(1.702 x); most later weights with plain GELU.
Tensor names and shapes are the same, so that the wrong one loads well and loses accuracy.
"""

import logging
from typing import NamedTuple

from plp.errors import ConfigError

_log = logging.getLogger(__name__)


class Activation(NamedTuple):
    """What is known of the activation that weights were trained with.

    Attributes:
        quick: True for QuickGELU, False for plain GELU, None if nobody tells.
        because: Who tells, as a clause.
    """

    quick: bool | None = None
    because: str = "nothing tells"


def check_activation(requested: bool | None, known: Activation, source: str) -> None:
    """Refuse a request that contradicts what is known of the weights.

    Raises:
        ConfigError: naming who knows.
    """
    if None not in (requested, known.quick) and requested != known.quick:
        raise ConfigError(
            f"quick_gelu={requested} does not fit {source}: these weights were trained with "
            f"{_name(known.quick)}, because {known.because}. Leave quick_gelu out, or set it to "
            f"{known.quick}."
        )


def decide_activation(
    requested: bool | None, known: Activation, source: str, default: bool
) -> bool:
    """Return whether to build with QuickGELU, and log why.

    Args:
        requested: The user's word; None leaves it to what is known.
        known: What is known of the weights.
        source: What the weights are called in messages.
        default: What the arch would be built with; another choice is logged as a warning.

    Raises:
        ConfigError: if the request contradicts the weights, or if neither tells.
    """
    check_activation(requested, known, source)
    chosen = known.quick if requested is None else requested
    if chosen is None:
        raise ConfigError(
            f"quick_gelu: {source} does not tell which activation it was trained with, and the "
            "wrong one loses accuracy silently. Say quick_gelu=True (OpenAI, MetaCLIP, DFN "
            "weights) or quick_gelu=False (LAION, DataComp weights)."
        )
    because = known.because if requested is None else "quick_gelu says so"
    level = logging.WARNING if requested is None and chosen != default else logging.INFO
    _log.log(level, "%s: built with %s, because %s", source, _name(chosen), because)
    return chosen


def _name(quick: bool | None) -> str:
    return "QuickGELU" if quick else "plain GELU"
