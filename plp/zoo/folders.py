"""Folders that hold a model, in the layout that a prefix means."""

import difflib
import json
from pathlib import Path

from plp.errors import ConfigError, WeightsError

# The file that tells each layout, and what the layout is called.
_LAYOUTS = {
    "local-dir:": ("open_clip_config.json", "open_clip"),
    "transformers:": ("config.json", "transformers"),
    "timm:": ("config.json", "timm"),
}


def model_folder(path: Path, prefix: str) -> Path:
    """Return a folder that holds a model.

    Args:
        path: The folder.
        prefix: What stood before it, such as 'local-dir:'.

    Raises:
        ConfigError: for a file.
        WeightsError: if there is no such folder, or it holds no model of that layout, with what may
            be meant.
    """
    marker, library = _LAYOUTS[prefix]
    if path.is_file():
        raise ConfigError(
            f"{prefix}{path}: expected a folder with {marker}, got a file. Weights in a file are "
            "named behind their arch: ARCH:FILE"
        )
    if not path.is_dir():
        raise WeightsError(f"{prefix}{path}: expected a folder with {marker}, got {path}, which is "
                           f"not there.{_near(path)}")  # fmt: skip
    if not (path / marker).is_file():
        raise WeightsError(
            f"{prefix}{path}: expected a folder with {marker}, got {path} with "
            f"{_inside(path)}: no model in the layout of {library}.{_other(path, prefix)}"
        )
    return path


def prefix_of(path: Path) -> str | None:
    """Return the prefix that the files of a folder are for; None where they do not tell.

    timm and the transformers library both write a config.json: its entries tell them apart.
    """
    if (path / "open_clip_config.json").is_file():
        return "local-dir:"
    try:
        stated = json.loads((path / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    if not isinstance(stated, dict):
        return None
    if "model_type" in stated:
        return "transformers:"
    return "timm:" if isinstance(stated.get("architecture"), str) else None


def _other(path: Path, prefix: str) -> str:
    """Say which prefix fits the layout of a folder."""
    if (own := prefix_of(path)) not in (None, prefix):
        return f" Did you mean '{own}{path}'?"
    if prefix == "local-dir:" and (path / "config.json").is_file():
        return f" Did you mean 'transformers:{path}' or 'timm:{path}'?"
    inner = [one for one in sorted(path.glob("*")) if (one / _LAYOUTS[prefix][0]).is_file()]
    return f" Did you mean '{prefix}{inner[0]}'?" if inner else ""


def _near(path: Path) -> str:
    names = [one.name for one in path.parent.glob("*/")] if path.parent.is_dir() else []
    near = difflib.get_close_matches(path.name, names, n=1)
    return f" Did you mean {str(path.with_name(near[0]))!r}?" if near else ""


def _inside(path: Path) -> str:
    names = sorted(one.name for one in path.iterdir())
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return (", ".join(names[:3]) or "nothing in it") + more
