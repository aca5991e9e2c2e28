"""Where probabilities of a sigmoid mean something, and why not elsewhere."""

from collections.abc import Iterable, Mapping
from typing import Any

from plp.backbones.base import Backbone
from plp.errors import ConfigError, UnknownComponentError
from plp.probability import check_probability
from plp.registry import BACKBONES
from plp.zoo.names import label_of


def check_sigmoid(kind: str, backbone: Backbone, fitted: Iterable[str]) -> None:
    """Refuse a kind of probability that a learner's logits do not have.

    Args:
        kind: 'softmax' or 'sigmoid'.
        backbone: The learner's.
        fitted: Branches whose logits were fitted by a softmax, without the model's bias.

    Raises:
        ConfigError: with the reason.
    """
    check_probability(kind)
    if kind == "softmax":
        return
    if backbone.logit_bias is None:
        raise ConfigError(_no_bias(backbone.label))
    if branches := list(fitted):
        raise ConfigError(
            f"probability='sigmoid' is for cosines with texts, which the model's bias belongs to; "
            f"branch {', '.join(branches)} has no texts, or blends them with what has none, "
            "and its logits were fitted by a softmax. Use probability='softmax'"
        )


def check_model_probability(model: Mapping[str, Any]) -> None:
    """Refuse the `model` section of a config whose probabilities its backbone cannot have.

    For commands, before data are listed and weights read; the learner looks at what was built.

    Raises:
        ConfigError: as `check_sigmoid`.
    """
    kind, backbone = model.get("probability", "softmax"), model.get("backbone")
    check_probability(kind)
    if kind == "softmax" or not isinstance(backbone, Mapping):
        return
    try:
        built = BACKBONES.get(str(backbone.get("type")))
    except (ConfigError, UnknownComponentError):
        return  # told where it is built
    if issubclass(built, Backbone) and not built.may_have_bias(backbone):
        raise ConfigError(_no_bias(label_of(backbone)))


def _no_bias(name: str) -> str:
    return (
        "probability='sigmoid' needs a model that was trained with a sigmoid loss and has a logit "
        f"bias (SigLIP, SigLIP 2); {name} has none: the loss it was trained with compares texts "
        "with each other, and a logit by itself says nothing. Use probability='softmax'"
    )
