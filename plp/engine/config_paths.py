"""Where configs are: those of the methods plp comes with, and which one a word means."""

import os
from pathlib import Path

import plp
from plp.engine.choices import VARIANT
from plp.errors import ConfigError, DataError, did_you_mean
from plp.text_files import read_text

SUFFIXES = (".py", ".json", ".yaml", ".yml")  # what mmengine reads
_LARGEST = 2**24  # bytes of a config


def config_folder() -> Path:
    """Return the folder of the methods' configs.

    In a clone it is beside the package; a wheel has it inside (`setup.py` puts it there). Without
    either, `configs` in the current folder is left.
    """
    package = Path(plp.__file__).resolve().parent
    for folder in (package.parent / "configs", package / "configs"):
        if (folder / "_base_").is_dir():
            return folder
    return Path("configs")


def known_methods(configs: Path) -> dict[str, list[str]]:
    """Return the variants of each method in a folder of configs."""
    found: dict[str, list[str]] = {}
    for path in sorted(configs.glob("*/*.py")):
        if not path.parent.name.startswith(("_", ".")):
            found.setdefault(path.parent.name, []).append(path.stem)
    return found


def method_config(asked: str, variant: str = VARIANT, configs: Path | None = None) -> Path | None:
    """Return the config of a method: `coop` is its `variant`, `coop/other` names one; else None."""
    configs = config_folder() if configs is None else configs
    folder, _, stem = asked.partition("/")
    if (stem or variant) in known_methods(configs).get(folder, ()):
        return configs / folder / f"{stem or variant}.py"
    return None


def config_path(asked: str | Path) -> Path:
    """Return the config file that is meant: a path, or a method by its name as in `plp compare`.

    Args:
        asked: A file; `sotglp`, whose config is `lite_16shot`; or `sotglp/lite_16shot_mean`. A file
            of that name is taken before a method.

    Raises:
        ConfigError: for a method without a config of that name.

    Example:
        >>> config_path('sotglp').parts[-3:]
        ('configs', 'sotglp', 'lite_16shot.py')
        >>> config_path('sotglp/nothing')
        Traceback (most recent call last):
        ...
        plp.errors.ConfigError: method 'sotglp' has no config 'nothing'. Available: lite_16shot, ...
    """
    path = Path(asked)
    if path.is_file() or path.suffix in SUFFIXES:
        return path
    word = os.fspath(asked).rstrip("/")
    if (found := method_config(word)) is not None:
        return found
    folder, _, stem = word.partition("/")
    if stem and not path.exists() and (known := known_methods(config_folder()).get(folder)):
        raise ConfigError(
            f"method {folder!r} has no config {stem!r}. Available: {', '.join(known)}"
        )
    return path


def check_file(path: Path) -> None:
    """Refuse what cannot be a config, before mmengine reads it: it reads whatever it is given."""
    if not path.exists():
        raise ConfigError(f"expected a config file, nothing at {str(path)!r}.{nearest(path)}")
    try:
        read_text(path, most=_LARGEST)
    except DataError as error:
        raise ConfigError(f"expected a config file: {error}") from error
    if path.suffix not in SUFFIXES:
        raise ConfigError(
            f"expected a config file that ends in {', '.join(SUFFIXES)}, got {str(path)!r}"
        )


def nearest(path: Path) -> str:
    """Say which config may be meant by a path where there is none."""
    for near in (path.with_name(f"{path.name}.py"), "configs" / path, Path(f"configs/{path}.py")):
        if near.is_file():
            return f" Did you mean {str(near)!r}?"
    if hint := _nearest_method(path):
        return hint
    folder = path.parent
    if not folder.is_dir():
        return f" There is no folder {str(folder)!r}." + did_you_mean(
            str(folder), (str(one) for one in folder.parent.glob("*/"))
        )
    files = [one.name for one in folder.iterdir() if one.suffix in SUFFIXES]
    return did_you_mean(path.name, files)


def _nearest_method(path: Path) -> str:
    """Say which method may be meant: a word like its name, or its file as it is in a clone."""
    methods = known_methods(config_folder())
    if len(path.parts) == 1 and path.suffix not in SUFFIXES:
        if hint := did_you_mean(path.name, methods):
            return hint
        return f" Methods that need no path: {', '.join(methods)}" if methods else ""
    if path.parts[-3:-2] == ("configs",) and path.stem in methods.get(path.parts[-2], ()):
        return f" Did you mean the method {f'{path.parts[-2]}/{path.stem}'!r}?"
    return ""
