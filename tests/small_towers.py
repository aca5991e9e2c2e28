"""What configs of methods that act inside the towers take on test towers of few blocks.

Published configs name blocks of towers of twelve. A new method that does so gets a row here.
"""

from collections.abc import Callable
from typing import Any

# Methods whose mathematics needs image tokens: there is no `lite_16shot.py` of them.
WITHOUT_LITE = ("ivlp", "maple", "mma", "mmrl", "plotpp", "promptsrc", "tcp", "vpt")

_ROWS: dict[str, Callable[[int], dict[str, Any]]] = {
    "ivlp": lambda blocks: depths(blocks, "image_depth", "text_depth"),
    "maple": lambda blocks: depths(blocks, "depth"),
    "promptsrc": lambda blocks: depths(blocks, "image_depth", "text_depth"),
    "vpt": lambda blocks: depths(blocks, "image_depth"),
    "mma": lambda blocks: {"model.tuners.adapters.blocks": upper(blocks)},
    "mmrl": lambda blocks: {"model.tuners.representation.blocks": upper(blocks)},
    "tcp": lambda blocks: {"model.tuners.class_aware.block": blocks - 1},
}


def depths(blocks: int, *keys: str) -> dict[str, Any]:
    """Return depths of deep prompts: all blocks, three at most."""
    return {f"model.tuners.prompts.{key}": min(blocks, 3) for key in keys}


def upper(blocks: int) -> list[int]:
    """Return all blocks but the first; that one if there is no other."""
    return list(range(min(1, blocks - 1), blocks))


def fitting(method: str, blocks: int) -> dict[str, Any]:
    """Return options by dotted key for a method's config on towers of so many blocks."""
    return _ROWS[method](blocks) if method in _ROWS else {}


def nested(options: dict[str, Any]) -> dict[str, Any]:
    """Return options by dotted key as a dict of dicts."""
    found: dict[str, Any] = {}
    for key, value in options.items():
        *sections, last = key.split(".")
        section = found
        for name in sections:
            section = section.setdefault(name, {})
        section[last] = value
    return found
