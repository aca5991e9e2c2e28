"""Where configs are: those of the methods plp comes with, and which one a word means."""

import logging
import os
from collections.abc import Sequence
from pathlib import Path

from plp.config.choices import VARIANT, VARIANTS
from plp.errors import ConfigError, DataError, did_you_mean
from plp.package import FOLDER
from plp.text_files import read_text

logger = logging.getLogger("plp")

SUFFIXES = (".py", ".json", ".yaml", ".yml")  # what mmengine reads
_LARGEST = 2**24  # bytes of a config


def config_folder() -> Path:
    """Return the folder of the methods' configs.

    In a clone it is beside the package; a wheel has it inside (`setup.py` puts it there). Without
    either, `configs` in the current folder is left.
    """
    for folder in (FOLDER.parent / "configs", FOLDER / "configs"):
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


def standard_variant(variants: Sequence[str]) -> str | None:
    """Return which config of a method is meant where none is named; None if that is not clear.

    Example:
        >>> standard_variant(["lite_16shot", "lite_16shot_mean", "vitb16_16shot"])
        'lite_16shot'
        >>> standard_variant(["vitb16_16shot", "vitb16_16shot_cross_dataset"])
        'vitb16_16shot'
    """
    for variant in VARIANTS:
        if variant in variants:
            return variant
    return variants[0] if len(variants) == 1 else None


def method_config(
    asked: str, variant: str | None = None, configs: Path | None = None
) -> Path | None:
    """Return the config of a method; None where there is none of that name.

    Args:
        asked: `coop` is its `variant`, `coop/other` names one.
        variant: None for `standard_variant`.
        configs: Folder of the methods' configs.
    """
    configs = config_folder() if configs is None else configs
    folder, _, stem = asked.partition("/")
    known = known_methods(configs).get(folder, [])
    stem = stem or variant or standard_variant(known) or ""
    return configs / folder / f"{stem}.py" if stem in known else None


def config_path(asked: str | Path) -> Path:
    """Return the config file that is meant: a path, or a method by its name as in `plp compare`.

    Args:
        asked: A file; `sotglp`, whose config is `lite_16shot` (see `standard_variant`); or
            `sotglp/lite_16shot_mean`. A file of that name is taken before a method.

    Raises:
        ConfigError: for a method without a config of that name, or with several of which none is
            the standard one.

    Example:
        >>> config_path('sotglp').parts[-3:]
        ('configs', 'sotglp', 'lite_16shot.py')
        >>> config_path('sotglp/nothing')
        Traceback (most recent call last):
        ...
        plp.errors.ConfigError: method 'sotglp' has no config 'nothing'. ...
    """
    path = Path(asked)
    if path.is_file() or path.suffix in SUFFIXES:
        return path
    word = os.fspath(asked).rstrip("/")
    if (found := method_config(word)) is not None:
        return found
    folder, _, stem = word.partition("/")
    known = known_methods(config_folder()).get(folder)
    if known and not path.exists():
        raise ConfigError(no_config(folder, stem, known))
    return path


def no_config(folder: str, stem: str, known: Sequence[str]) -> str:
    """Say that a method has no such config, or that several may be meant, and how to name one."""
    if not stem:
        names = ", ".join(f"{folder}/{one}" for one in known)
        return f"method {folder!r} has several configs, name one of them: {names}"
    near = did_you_mean(f"{folder}/{stem}", (f"{folder}/{one}" for one in known))
    return f"method {folder!r} has no config {stem!r}.{near} Available: {', '.join(known)}"


def check_config(asked: str) -> None:
    """Refuse a config that is not there; say which one is taken in place of a method's usual one.

    Raises:
        ConfigError: see `config_path` and `check_file`.
    """
    path = config_path(asked)
    check_file(path)
    word = asked.rstrip("/")
    if word in known_methods(config_folder()) and path.stem != VARIANT and path != Path(asked):
        logger.info("%s", stands_in(word, path.stem))


def stands_in(method: str, variant: str) -> str:
    """Say which config of a method is taken, since it has none of the usual name."""
    return f"{method} has no config {VARIANT}: taking {method}/{variant}"


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
