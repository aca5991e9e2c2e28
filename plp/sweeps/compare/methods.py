"""Which config files the methods of a comparison are, and what they are called."""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from plp.config.choices import VARIANT
from plp.config.paths import (
    SUFFIXES,
    config_folder,
    known_methods,
    method_config,
    nearest,
    standard_variant,
    stands_in,
)
from plp.errors import ConfigError, did_you_mean

logger = logging.getLogger("plp")


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
    asked: Sequence[str], variant: str | None = None, configs: Path | None = None
) -> list[Method]:
    """Find the config files of methods.

    Args:
        asked: Each `coop` (the file `<variant>.py` in that folder of `configs`), `coop/other`, or
            the path of a config file.
        variant: Which file of a folder. None: `lite_16shot`, or the one that all methods have
            where none has that; methods on different backbones are not mixed unasked.
        configs: Folder of the methods' configs.

    Raises:
        ConfigError: for one that is not there, naming those that are, or one given twice.
    """
    configs = config_folder() if configs is None else configs
    variant = variant or _common_variant(asked, known_methods(configs))
    files = [_find(one, variant, configs) for one in asked]
    for i, file in enumerate(files):
        if file in files[:i]:
            raise ConfigError(f"--methods: {asked[files.index(file)]!r} and {asked[i]!r} are one")
    folders = _distinct(files)
    return [
        Method(_name(file, folder, variant, configs), file, folder)
        for file, folder in zip(files, folders, strict=True)
    ]


def _common_variant(asked: Sequence[str], known: Mapping[str, list[str]]) -> str:
    """Return the config that is meant of each method that comes without one.

    Raises:
        ConfigError: if that is not one and the same, with the flag to add.
    """
    plain = [one for one in dict.fromkeys(asked) if one in known]
    standard = {one: standard_variant(known[one]) for one in plain}
    if set(standard.values()) <= {VARIANT}:
        return VARIANT
    lacking = [one for one in plain if standard[one] != VARIANT]
    first = standard[lacking[0]]
    if first is not None and set(standard.values()) == {first}:
        for one in plain:
            logger.info("%s", stands_in(one, first))
        return first
    shared = [v for v in known[lacking[0]] if all(v in known[one] for one in plain)]
    advice = (
        f"All these methods have {shared[0]}: add --variant {shared[0]}" if shared
        else f"Name the config that is meant, such as {lacking[0]}/{known[lacking[0]][0]}"
    )  # fmt: skip
    raise ConfigError(
        f"--methods: {', '.join(map(repr, lacking))} without a config {VARIANT!r} "
        f"({lacking[0]!r} has: {', '.join(known[lacking[0]])}). {advice}"
    )


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
