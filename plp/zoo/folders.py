"""Folders that hold a model, in the layout that a prefix means."""

import difflib
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


def _other(path: Path, prefix: str) -> str:
    """Say which prefix fits the layout of a folder."""
    for other, (marker, _) in _LAYOUTS.items():
        if other != prefix and (path / marker).is_file():
            return f" Did you mean '{other}{path}'?"
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
