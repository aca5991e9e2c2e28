"""Data sources by their name on the command line."""

import difflib
import inspect
from pathlib import Path
from typing import Any

from plp.datasets.base import DataSource
from plp.datasets.names import normalise_dataset_name
from plp.errors import ConfigError, UnknownComponentError
from plp.registry import DATASETS


def source_names() -> dict[str, type[DataSource]]:
    """Return the registered data sources by the name that `--dataset` takes.

    A source of a user's own file is among them once that file is imported (`custom_imports`).

    Example:
        >>> sorted(source_names())
        ['coop', 'folder', 'textile'...]
    """
    return {
        normalise_dataset_name(name): DATASETS.get(name)
        for name in DATASETS.names()
        if inspect.isclass(DATASETS.get(name)) and issubclass(DATASETS.get(name), DataSource)
    }


def build_source(name: str, root: str | Path | None = None, **keywords: Any) -> DataSource:
    """Build the data source of that name.

    Args:
        name: As `--dataset` takes it.
        root: Folder of the data (`--data-root`); None for a source that needs none.
        keywords: Further keywords of the source.

    Raises:
        UnknownComponentError: for an unknown name, with the known ones.
        ConfigError: for a root that is missing or not wanted, or an unknown keyword.
        DataError: if the source does not find its data.

    Example:
        >>> build_source('textile').name
        'textile'
        >>> build_source('folder')
        Traceback (most recent call last):
        ...
        plp.errors.ConfigError: data set 'folder' needs the folder of its images: --data-root DIR.
    """
    sources = source_names()
    if name not in sources:
        near = difflib.get_close_matches(str(name), sources, n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise UnknownComponentError(
            f"data set {name!r} is not known.{hint} Known: {', '.join(sorted(sources))}. Images of "
            "your own in one sub-folder a class: --dataset folder --data-root DIR."
        )
    parameter = inspect.signature(sources[name]).parameters.get("root")
    if root is None and parameter is not None and parameter.default is parameter.empty:
        raise ConfigError(f"data set {name!r} needs the folder of its images: --data-root DIR.")
    if root is not None and parameter is None:
        raise ConfigError(f"data set {name!r} takes no --data-root, got {str(root)!r}.")
    if root is not None:
        keywords["root"] = root
    return DATASETS.build(dict(type=sources[name].__name__, **keywords))
