"""Files that say which out-of-distribution sets there are, and which of them are near."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from plp.config.file import parse_config
from plp.datasets.ood_benchmarks import OOD_BENCHMARKS
from plp.errors import ConfigError, DataError

GROUPS = ("near", "far")
_EXAMPLE = "ood = dict(near=dict(NAME=FOLDER, ...), far=dict(NAME=FOLDER, ...))"


class Listed(NamedTuple):
    """Out-of-distribution sets as the command line names them.

    Attributes:
        sets: Each NAME=FOLDER, or the NAME of one of the field's.
        near: Names of those that are near-OOD.
    """

    sets: tuple[str, ...]
    near: tuple[str, ...]


def expand_ood(asked: Sequence[str], near: Sequence[str], root: str | Path | None) -> Listed:
    """Put in place of each file of sets those it names.

    Args:
        asked: What `--ood` was given: sets, and files that end in `.py`.
        near: What `--near` was given; those that the files call near come behind.
        root: The data root.

    Raises:
        ConfigError: for a file that cannot be read or says something else.
        DataError: for a folder that is not there.
    """
    sets: list[str] = []
    names = list(near)
    for one in asked:
        if one.endswith(".py") and "=" not in one:
            found = read_ood_file(one, root)
            sets += found.sets
            names += found.near
        else:
            sets.append(one)
    return Listed(tuple(sets), tuple(dict.fromkeys(names)))


def read_ood_file(path: str | Path, root: str | Path | None = None) -> Listed:
    """Read a file of sets, such as `configs/_base_/ood/imagenet.py`.

    It has one entry, `ood`, a dict of `near` and `far`, each a dict of folders by the name of the
    set. A relative folder is one in the data root, beside it (where that is the dataset's own
    folder), or in the current folder; the first that is there is taken. None stands for one of the
    field's sets, by its name.

    Args:
        path: The file.
        root: The data root, if there is one.

    Raises:
        ConfigError: for a file that cannot be read or says something else.
        DataError: for a folder that is not there.
    """
    content = _content(Path(path))
    sets, near = [], []
    for group in GROUPS:
        for name, folder in content.get(group, {}).items():
            sets.append(_set(name, folder, root, path))
            if group == "near":
                near.append(name)
    return Listed(tuple(sets), tuple(near))


def _content(path: Path) -> Mapping[str, Any]:
    if not path.is_file():
        raise ConfigError(f"--ood: no file {str(path)!r}. Expected one with {_EXAMPLE}")
    found = parse_config(path).get("ood")
    right = isinstance(found, Mapping) and found and set(found) <= {*GROUPS}
    if not right or not all(isinstance(part, Mapping) for part in found.values()):
        raise ConfigError(f"{path}: expected {_EXAMPLE}, got ood = {found!r}")
    return found


def _set(name: str, folder: Any, root: str | Path | None, path: str | Path) -> str:
    if folder is None and name in OOD_BENCHMARKS:
        return name
    if not isinstance(folder, str) or not folder:
        known = ", ".join(OOD_BENCHMARKS)
        raise ConfigError(
            f"{path}: expected a folder for {name!r}, or None for one of {known}; got {folder!r}"
        )
    around = [Path(root), Path(root).resolve().parent] if root is not None else []
    places = [place / folder for place in (*around, Path())]
    for place in places:
        if place.exists():
            return f"{name}={place}"
    tried = ", ".join(dict.fromkeys(repr(str(place)) for place in places))
    raise DataError(
        f"{path}: {name} is not there: tried {tried}. Give the folder above as --data-root"
    )
