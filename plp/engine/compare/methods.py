"""Which config files the methods of a comparison are, and what they are called."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from plp.engine.choices import VARIANT
from plp.engine.config_paths import (
    SUFFIXES,
    config_folder,
    known_methods,
    method_config,
    nearest,
)
from plp.errors import ConfigError, did_you_mean


class Method(NamedTuple):
    """A method of a comparison.

    Attributes:
        name: As it stands in tables.
        config: Its config file.
        folder: Where its runs stand, below the folder of all runs.
    """

    name: str
    config: Path
    folder: Path


def find_methods(
    asked: Sequence[str], variant: str = VARIANT, configs: Path | None = None
) -> list[Method]:
    """Find the config files of methods.

    Args:
        asked: Each `coop` (the file `<variant>.py` in that folder of `configs`), `coop/other`, or
            the path of a config file.
        variant: Which file of a folder.
        configs: Folder of the methods' configs.

    Raises:
        ConfigError: for one that is not there, naming those that are, or one given twice.
    """
    configs = config_folder() if configs is None else configs
    files = [_find(one, variant, configs) for one in asked]
    for i, file in enumerate(files):
        if file in files[:i]:
            raise ConfigError(f"--methods: {asked[files.index(file)]!r} and {asked[i]!r} are one")
    folders = _distinct(files)
    return [
        Method(_name(file, folder, variant, configs), file, folder)
        for file, folder in zip(files, folders, strict=True)
    ]


def _find(asked: str, variant: str, configs: Path) -> Path:
    known = known_methods(configs)
    folder, _, stem = asked.partition("/")
    if (found := method_config(asked, variant, configs)) is not None:
        return found.resolve()
    if Path(asked).is_file():
        return Path(asked).resolve()
    if Path(asked).suffix in SUFFIXES or asked.count("/") > 1:
        raise ConfigError(f"--methods: no such file: {asked!r}.{nearest(Path(asked))}")
    if folder in known:
        raise ConfigError(
            f"method {folder!r} has no config {stem or variant!r}. "
            f"It has: {', '.join(known[folder])}" + ("" if stem else ". Choose with --variant")
        )
    hint = did_you_mean(folder, known, cutoff=0.5)
    raise ConfigError(
        f"method {asked!r} is not known.{hint} Known: {', '.join(known) or 'none'}; "
        "or the path of a config file"
    )


def _name(file: Path, folder: Path, variant: str, configs: Path) -> str:
    plain = file == (configs / file.parent.name / f"{variant}.py").resolve()
    return file.parent.name if plain else folder.as_posix()


def _distinct(files: Sequence[Path]) -> list[Path]:
    """Return folder/stem of each file; where two agree, with as many parents as tell them apart."""
    whole = [file.relative_to(file.anchor) for file in files]  # no part of it is a root
    stems = [file.with_suffix("") for file in whole]
    names = [w if stems.count(s) > 1 else s for w, s in zip(whole, stems, strict=True)]
    depth = 2
    while True:
        short = [Path(*name.parts[-depth:]) for name in names]
        if len(set(short)) == len(short):
            break
        depth += 1
    plain = [Path(*name.parts[-2:]) for name in names]
    return [
        # levels are joined, so that no folder of runs lies within another
        Path("-".join(deep.parts[:-1]), deep.name) if plain.count(one) > 1 else one
        for one, deep in zip(plain, short, strict=True)
    ]
