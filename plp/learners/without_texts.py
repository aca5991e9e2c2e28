"""What of a learner stays where the backbone has no text tower: the one check of `has_text`."""

import inspect
from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

from plp.branches.base import Branch
from plp.errors import ConfigError, UnknownComponentError
from plp.registry import BACKBONES, BRANCHES
from plp.zoo.names import label_of

_INSTEAD = (
    "Use a method without texts (linear_probe; tip_adapter or tip_adapter_f, without their text "
    "term), or a backbone with texts (`plp list --backbones`)"
)


class Parts(NamedTuple):
    """Branches and references that a backbone can serve.

    Attributes:
        branches: Branches, or their configs, by name.
        references: Likewise.
        notes: What was left out, in sentences; empty where all is as asked for.
    """

    branches: dict[str, Any]
    references: dict[str, Any]
    notes: tuple[str, ...] = ()


def served_parts(
    backbone: Any, branches: Mapping[str, Any], references: Mapping[str, Any] | None
) -> Parts:
    """Return the parts of a learner that its backbone can serve; builds nothing.

    A backbone with texts serves all. Of one without: a branch that has to have a prompt is refused;
    one that may do without (its `prompt` may be None) loses it; a reference with a prompt, which
    has no part in the prediction, is left out.

    Args:
        backbone: The backbone, or its config.
        branches: Branches, or their configs, by name.
        references: Likewise.

    Raises:
        ConfigError: naming the branches that need a text tower, and what to use instead.
    """
    references = references or {}
    kind = _kind(BACKBONES, backbone)
    if kind is None or kind.has_text:
        return Parts(dict(branches), dict(references))
    name = label_of(backbone) if isinstance(backbone, Mapping) else backbone.label
    if needing := [key for key, part in branches.items() if _use_of_text(part) == "needed"]:
        raise ConfigError(f"{_said_of(needing)} a text tower; {name} has none. {_INSTEAD}")
    left = [f"the reference {k!r}" for k, part in references.items() if _use_of_text(part)]
    left += [f"the text term of branch {k!r}" for k, part in branches.items() if _use_of_text(part)]
    kept = {key: part for key, part in references.items() if not _use_of_text(part)}
    notes = (f"{name} has no text tower, left out: {', '.join(left)}",) if left else ()
    return Parts({key: _textless(part) for key, part in branches.items()}, kept, notes)


def check_model_texts(model: Mapping[str, Any]) -> None:
    """Refuse the `model` section of a config whose branches need texts that its backbone lacks.

    For commands, before data are listed; `PromptLearner` asks again.

    Raises:
        ConfigError: as `served_parts`.
    """
    branches, references = model.get("branches"), model.get("references")
    if isinstance(branches, Mapping) and isinstance(references or {}, Mapping):
        served_parts(model.get("backbone"), branches, references)


def _use_of_text(part: Any) -> Literal["needed", "optional", ""]:
    """Return whether a branch, or its config, takes texts; '' for one that takes none."""
    if isinstance(part, Branch):
        return "needed" if part.prompt is not None else ""
    kind = _kind(BRANCHES, part)
    prompt = None if kind is None else inspect.signature(kind).parameters.get("prompt")
    if prompt is None:
        return ""
    if prompt.default is inspect.Parameter.empty:
        return "needed"
    return "optional" if part.get("prompt") is not None else ""


def _said_of(branches: Sequence[str]) -> str:
    named = ", ".join(map(repr, branches))
    if len(branches) == 1:
        return f"branch {named} compares images with texts and needs"
    return f"branches {named} compare images with texts and need"


def _textless(part: Any) -> Any:
    return {**part, "prompt": None} if _use_of_text(part) == "optional" else part


def _kind(registry: Any, part: Any) -> Any:
    """Return the class of a component or of its config; None where the registry will refuse it."""
    if not isinstance(part, Mapping):
        return None if part is None else type(part)
    name = part.get("type")
    if inspect.isclass(name):
        return name
    try:
        return registry.get(name)
    except (ConfigError, UnknownComponentError):
        return None
