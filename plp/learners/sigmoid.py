"""Where probabilities of a sigmoid mean something, and why not elsewhere."""

from collections.abc import Iterable

from plp.backbones.base import Backbone
from plp.errors import ConfigError
from plp.probability import check_probability


def check_sigmoid(kind: str, backbone: Backbone, textless: Iterable[str]) -> None:
    """Refuse a kind of probability that a learner's logits do not have.

    Args:
        kind: 'softmax' or 'sigmoid'.
        backbone: The learner's.
        textless: Branches that compare with no texts.

    Raises:
        ConfigError: with the reason.
    """
    check_probability(kind)
    if kind == "softmax":
        return
    name = getattr(backbone, "arch", None) or type(backbone).__name__
    if backbone.logit_bias is None:
        raise ConfigError(
            "probability='sigmoid' needs a model that was trained with a sigmoid loss and has a "
            f"logit bias (SigLIP, SigLIP 2); {name} has none: the loss it was trained with "
            "compares texts with each other, and a logit by itself says nothing. Use "
            "probability='softmax'"
        )
    if branches := list(textless):
        raise ConfigError(
            f"probability='sigmoid' is for cosines with texts, which the model's bias belongs to; "
            f"branch {', '.join(branches)} has no texts, and its logits were fitted by a softmax. "
            "Use probability='softmax'"
        )
