"""The registered components by kind, a line each."""

import inspect
from collections.abc import Callable, Sequence
from typing import Any

from plp.datasets import source_names
from plp.errors import ConfigError
from plp.registry import COMPONENTS, Registry


def blocks(asked: Sequence[str]) -> str:
    """Return the components of some kinds, of all if none is asked for.

    Raises:
        ConfigError: for an unknown kind.
    """
    kinds = [_kind(one) for one in asked] or list(COMPONENTS)
    return "\n\n".join(block(kind) for kind in dict.fromkeys(kinds))


def block(kind: str) -> str:
    """Return a kind and its components.

    Example:
        >>> print(block('selector'))
        selector
          AllPatches  Keeps all P patches (PLOT, Chen et al. 2023).
          PromptTopK  A support of its own for each prompt of a class, ... (GalLoP).
          SharedTopK  One support of K patches per class, shared by its prompts (SOT-GLP).
    """
    registry = COMPONENTS[kind]
    lines = _sources(registry) if kind == "dataset" else _components(registry)
    width = max(map(len, lines), default=0)
    listed = [f"  {name:<{width}}  {text}" for name, text in lines.items()]
    return "\n".join([kind, *(listed or ["  none of plp's own"])])


def summary(component: Callable[..., Any]) -> str:
    """Return the first line of a component's docstring."""
    return (inspect.getdoc(component) or "").partition("\n")[0]


def _components(registry: Registry) -> dict[str, str]:
    return {name: summary(registry.get(name)) for name in registry.names()}


def _sources(registry: Registry) -> dict[str, str]:
    """Data sources stand under the names that `--dataset` takes; one class may have several."""
    named = {f"--dataset {flag}": summary(source) for flag, source in source_names().items()}
    classes = {source.__name__ for source in source_names().values()}
    others = {name: text for name, text in _components(registry).items() if name not in classes}
    return dict(sorted(named.items())) | others


def _kind(asked: str) -> str:
    """Return the kind that is meant: singular or plural, any case."""
    plain = asked.lower().replace("-", " ").replace("_", " ")
    endings = {kind: (kind, f"{kind}s", f"{kind}es", kind.split()[0]) for kind in COMPONENTS}
    for kind, spellings in endings.items():
        if plain in spellings or (kind == "loss term" and plain == "losses"):
            return kind
    raise ConfigError(f"expected a kind among {', '.join(COMPONENTS)}, got {asked!r}")
