"""What a checkpoint says of its tuners, beside those of the learner it is read into."""

from collections.abc import Mapping
from typing import Any

from plp.towers.parts import listed
from plp.tuners.collection import Tuners


def other_places(saved: Any, own: Mapping[str, Mapping[str, list[str]]]) -> list[str]:
    """Return which tuners act on other matrices or norms than those of a checkpoint.

    Their tensors may well have the same names and shapes.
    """
    found = []
    for name, sides in own.items():
        for side, places in sides.items():
            before = saved.get(name, {}).get(side) if isinstance(saved, Mapping) else None
            if before is not None and list(before) != list(places):
                found.append(
                    f"tuners.{name} acted on {listed(before)} of the {side} tower, here on "
                    f"{listed(places)}"
                )
    return found


def both_tuners(config: Any, tuners: Tuners) -> str:
    """Say which tuners a checkpoint and a learner have; '' where neither has any.

    Args:
        config: `model` of the checkpoint's config.
        tuners: Those of the learner.
    """
    saved = config.get("tuners") if isinstance(config, Mapping) else None
    own = tuners.describe()
    if not own and not saved:
        return ""
    kept = (
        [f"{name}: {tuner}" for name, tuner in saved.items()] if isinstance(saved, Mapping) else []
    )
    return (
        f". Tuners of the checkpoint: {'; '.join(kept) or 'not known' if saved else 'none'}. Here: "
        f"{'; '.join(own) or 'none'}"
    )
