"""What a tuner of a user's own may get wrong without noticing: told when a learner is built."""

import inspect

from plp.backbones.base import Backbone
from plp.errors import ConfigError
from plp.tuners.base import Tuner

# What it says it acts on -> what it must override for that, one of them.
_METHODS = {
    "acts_on_images": ("image_points", "image_points_of"),
    "acts_on_texts": ("text_points",),
    "acts_on_features": ("on_features",),
}


def check_tuner(name: str, tuner: Tuner, backbone: Backbone) -> None:
    """Refuse a tuner that acts on nothing, takes other arguments, or holds part of the backbone.

    Raises:
        ConfigError: naming the tuner, and what to write instead.
    """
    said = [attribute for attribute in _METHODS if getattr(tuner, attribute)]
    switched_off = bool(vars(tuner).keys() & _METHODS.keys())  # by its own settings
    if not said and not switched_off:
        raise ConfigError(
            f"tuner {name!r} acts on nothing, and nothing in it would be learned: set "
            f"{', '.join(_METHODS)}, or some of them, to True in {type(tuner).__name__}"
        )
    for attribute in said:
        methods = _METHODS[attribute]
        if all(getattr(type(tuner), one) is getattr(Tuner, one) for one in methods):
            raise ConfigError(
                f"tuner {name!r}: {type(tuner).__name__} says {attribute}, but does not override "
                f"{' or '.join(methods)}"
            )
    _check_signatures(name, tuner)
    frozen = {id(weight) for weight in backbone.parameters()}
    for key, weight in tuner.named_parameters():
        if id(weight) in frozen:
            raise ConfigError(
                f"tuner {name!r} holds the backbone's own weight as {key!r}, which would be "
                "trained and saved with it: keep names and numbers in __init__, not the backbone "
                "or a module of it"
            )


def _check_signatures(name: str, tuner: Tuner) -> None:
    for methods in _METHODS.values():
        for method in methods:
            found = inspect.signature(getattr(tuner, method))
            wanted = inspect.signature(getattr(Tuner(), method))
            try:
                found.bind(*wanted.parameters)
            except TypeError:
                raise ConfigError(
                    f"tuner {name!r}: expected {type(tuner).__name__}.{method}"
                    f"({', '.join(['self', *wanted.parameters])}), got "
                    f"{method}({', '.join(['self', *found.parameters])})"
                ) from None
