"""Which datasets a comparison is about."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from plp.datasets import BENCHMARKS, DataSource, build_source, source_names
from plp.datasets.build import needs_root
from plp.errors import ConfigError, DataError

_SHIFTS = tuple(name for name, one in BENCHMARKS.items() if one.source == "ImageNetShift")
GROUPS = {  # ImageNet first, as in published tables
    "eleven": ("imagenet", *(n for n in BENCHMARKS if n not in ("imagenet", *_SHIFTS))),
    "shifts": _SHIFTS,
}


class DataChoice(NamedTuple):
    """A dataset of a comparison.

    Attributes:
        name: As it stands in tables.
        dataset: As `--dataset` of tools/train.py takes it.
        root: As `--data-root` takes it.
    """

    name: str
    dataset: str
    root: str | None


def find_datasets(asked: Sequence[str], flag: str = "--datasets") -> list[DataChoice]:
    """Find datasets.

    Args:
        asked: Each NAME, NAME=ROOT or KIND=ROOT. ROOT of one of the field's datasets is the data
            root, the folder above. A NAME that is not registered is what the dataset is to be
            called, and ROOT says what it is: one with a split file in CoOp's layout, or else a
            folder of images. A ROOT with a split file in it is that dataset, whatever the NAME.
        flag: What they were given to, for messages; `--targets` may be sets for testing only.

    Raises:
        ConfigError: for an unknown name without a root, two datasets of one name, one that
            nothing can be trained on, or several that do not fit, all of which it names.
        DataError: if a root is not there.
    """
    found, errors = [], []
    for one in asked:
        try:
            found.append(_find(one, flag))
        except (ConfigError, DataError) as error:
            errors.append(error)
    if len(errors) == 1:
        raise errors[0]
    if errors:
        raise ConfigError("\n  ".join([f"{len(errors)} datasets do not fit:", *map(str, errors)]))
    names = [choice.name for choice in found]
    for i, name in enumerate(names):
        if name in names[:i]:
            raise ConfigError(
                f"{flag}: {asked[names.index(name)]!r} and {asked[i]!r} are both called "
                f"{name!r}. Call them as you like: NAME=ROOT"
            )
    return found


def expand(asked: Sequence[str], root: str | None = None) -> list[str]:
    """Write groups out, and give datasets without a root the one that all have.

    Args:
        asked: Datasets as `find_datasets` takes them, and names of `GROUPS`.
        root: The data root.

    Example:
        >>> expand(['dtd', 'mine=photos', 'shifts'], 'data')[:3]
        ['dtd=data', 'mine=photos', 'imagenetv2=data']
    """
    single = [name for one in asked for name in GROUPS.get(one, (one,))]
    return [one if root is None or "=" in one else f"{one}={root}" for one in single]


def _find(asked: str, flag: str) -> DataChoice:
    name, equals, given = asked.partition("=")
    root = given or None
    if not name or (equals and not root):
        raise ConfigError(f"{flag}: expected NAME or NAME=ROOT, got {asked!r}")
    if name in source_names() and not (name in BENCHMARKS and _has_split(root)):
        if root is None and needs_root(name):
            raise ConfigError(
                f"{flag}: {name!r} needs {_places(name)}, or --data-root ROOT for all datasets"
            )
        source = build_source(name, root)
        if source.test_only and flag == "--datasets":
            raise ConfigError(
                f"{flag}: {name!r} is for testing only, nothing can be trained on it: compare "
                f"on {source.recipe}, then test with tools/protocol.py or tools/test.py"
            )
        generic = root is not None and source.name != name  # 'folder' and 'coop' name a layout
        return DataChoice(_checked(source.name if generic else name), name, root)
    if root is None:
        raise ConfigError(
            f"{flag}: {name!r} is not registered: give its folder, {_call(name)}=ROOT. "
            f"Registered: {', '.join(sorted(source_names()))}"
        )
    kind = "coop" if _has_split(root) else "folder"
    _require_folder(root)
    build_source(kind, root)
    return DataChoice(_checked(name), kind, root)


def _places(name: str) -> str:
    """Say what may be given as the root of a registered dataset."""
    if name not in BENCHMARKS:
        return f"the folder of its images: {name}=ROOT"
    folder = BENCHMARKS[name].folder
    above = f"the folder above {folder}/: {name}=ROOT"
    if BENCHMARKS[name].split is None:
        return above
    return f"{above}, or {folder}/ itself with its split file: {name}=ROOT/{folder}"


def _has_split(root: str | None) -> bool:
    """Whether a folder is itself a dataset in CoOp's layout."""
    return root is not None and any(Path(root).glob("split_*.json"))


def _call(name: str) -> str:
    return Path(name).name if "/" in name else name


def _require_folder(root: str) -> None:
    if not Path(root).is_dir():
        raise DataError(f"no such folder: {root!r}. Expected the images of a dataset")


def _checked(name: str) -> str:
    if not re.fullmatch(r"\w[\w .+-]*", name):
        raise ConfigError(
            f"--datasets: expected a name of letters, digits, spaces and _.+-, got {name!r}"
        )
    return name


def open_source(choice: DataChoice) -> DataSource:
    """Build the source of a dataset."""
    return build_source(choice.dataset, choice.root)
