"""Data sources by their name on the command line."""

import inspect
from collections.abc import Collection
from pathlib import Path
from typing import Any

from plp.datasets.base import DataSource
from plp.datasets.benchmarks import BENCHMARKS
from plp.datasets.names import normalise_dataset_name
from plp.errors import ConfigError, UnknownComponentError, did_you_mean
from plp.registry import DATASETS


def source_names() -> dict[str, type[DataSource]]:
    """Return the data sources by the name that `--dataset` takes.

    The field's datasets (`BENCHMARKS`) go by their own names, several to a registered class. A
    source of a user's own file is among them once that file is imported (`custom_imports`).

    Example:
        >>> sorted(source_names())
        ['caltech101', 'coop', 'dtd', 'eurosat', 'fgvc_aircraft', 'folder', ...'textile'...]
    """
    shared = {one.source for one in BENCHMARKS.values()}
    own = {
        normalise_dataset_name(name): DATASETS.get(name)
        for name in DATASETS.names()
        if name not in shared
        and inspect.isclass(DATASETS.get(name))
        and issubclass(DATASETS.get(name), DataSource)
    }
    return own | {name: DATASETS.get(one.source) for name, one in BENCHMARKS.items()}


def needs_root(name: str) -> bool:
    """Whether a known data source cannot do without the folder of its images."""
    root = inspect.signature(source_names()[name]).parameters.get("root")
    return root is not None and root.default is root.empty


def source_config(name: str, root: str | Path | None = None, /, **keywords: Any) -> dict[str, Any]:
    """Return the config of the data source of that name, as it stands under `dataset`.

    Args:
        name: As `--dataset` takes it.
        root: As `--data-root` takes it: of the field's datasets the folder above their folders,
            else the dataset's own; None for a source that needs none.
        keywords: Further keywords of the source.

    Raises:
        UnknownComponentError: for an unknown name, with the known ones.
        ConfigError: for a root that is missing or not wanted.

    Example:
        >>> source_config('dtd', 'data')
        {'type': 'PublishedSplit', 'name': 'dtd', 'root': 'data'}
        >>> source_config('folder')
        Traceback (most recent call last):
        ...
        plp.errors.ConfigError: dataset 'folder' needs the folder of its images: --data-root DIR.
    """
    sources = source_names()
    if name not in sources:
        raise UnknownComponentError(_unknown(str(name), sources))
    parameters = inspect.signature(sources[name]).parameters
    if root is None and needs_root(name):
        raise ConfigError(f"dataset {name!r} needs the folder of its images: --data-root DIR.")
    if root is not None and "root" not in parameters:
        raise ConfigError(f"dataset {name!r} takes no --data-root, got {str(root)!r}.")
    config: dict[str, Any] = {"type": sources[name].__name__}
    if name in BENCHMARKS and "name" in parameters:
        config["name"] = name
    if root is not None:
        config["root"] = str(root)
    return config | keywords


def build_source(name: str, root: str | Path | None = None, /, **keywords: Any) -> DataSource:
    """Build the data source of that name; see `source_config`.

    Raises:
        UnknownComponentError: for an unknown name, with the known ones.
        ConfigError: for a root that is missing or not wanted, or an unknown keyword.
        DataError: if the source does not find its data.

    Example:
        >>> build_source('textile').name
        'textile'
    """
    return DATASETS.build(source_config(name, root, **keywords))


def _unknown(name: str, known: Collection[str]) -> str:
    plain = normalise_dataset_name(name)
    hint = did_you_mean(plain if plain in known else name, known)
    return (
        f"dataset {name!r} is not known.{hint} Known: {', '.join(sorted(known))}. Images of "
        "your own in one sub-folder per class: --dataset folder --data-root DIR."
    )
