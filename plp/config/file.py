"""A file in the language of configs: whether it can be one, and what mmengine makes of it."""

import warnings
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from mmengine.config import Config

from plp.errors import ConfigError, describe_os_error, did_you_mean


def parse_config(path: Path) -> Config:
    """Let mmengine read a file in the language of configs, whatever it says; import its modules.

    Raises:
        ConfigError: if it cannot be read, or a module of `custom_imports` cannot be imported.
    """
    try:
        config = Config.fromfile(path, import_custom_modules=False)
    except OSError as error:  # of a base, or no room for mmengine's own copies of them
        raise ConfigError(
            f"{path} cannot be read as a config: {describe_os_error(error)}"
        ) from error
    except Exception as error:  # a config is a user's code: it raises whatever it likes
        kind = type(error).__name__
        raise ConfigError(f"{path} cannot be read as a config: {kind}: {error}") from error
    _import_modules(config.get("custom_imports") or {}, path)
    return config


def _import_modules(section: Any, path: Path) -> None:
    """Import the modules of `custom_imports`; mmengine's own message for it is a list of paths."""
    given = section.get("imports") or [] if isinstance(section, Mapping) else None
    names = [given] if isinstance(given, str) else given
    if not isinstance(names, list | tuple) or not all(isinstance(one, str) for one in names):
        raise ConfigError(
            f"{path}: expected custom_imports=dict(imports=['module', ...]), got {section!r}"
        )
    for name in names:
        try:
            import_module(name)
        except Exception as error:  # a user's code: it raises whatever it likes
            told = f"{path}: custom_imports: {_why_not_imported(name, error, path)}"
            if not (isinstance(error, ImportError) and section.get("allow_failed_imports")):
                raise ConfigError(told) from error
            warnings.warn(told, UserWarning, stacklevel=2)


def _why_not_imported(name: str, error: Exception, path: Path) -> str:
    """Return why a module cannot be imported, and which may be meant if there is none."""
    missing = error.name or "" if isinstance(error, ModuleNotFoundError) else ""
    if missing and f"{name}.".startswith(f"{missing}."):
        folders = (path.resolve().parent, Path.cwd())
        near = {one.stem for folder in folders for one in folder.glob("*.py")} - {path.stem}
        hint = did_you_mean(name, near)
        return f"no module {name!r} beside {path.name}, in the current folder or installed.{hint}"
    return f"module {name!r} cannot be imported: {type(error).__name__}: {error}"
