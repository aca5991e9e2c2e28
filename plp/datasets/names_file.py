"""Readable names for classes whose folders are called otherwise."""

import csv
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from plp.datasets.base import Splits, some
from plp.errors import ConfigError, describe_os_error, did_you_mean

Pairs = tuple[tuple[str, str], ...]


def read_names(path: str | Path) -> Pairs:
    """Read a names file: the class as it is called now, and the name that prompts should have.

    Args:
        path: JSON of one object, {class: name}; else CSV or TSV of two columns, without a header.

    Returns:
        Pairs of class and name, in the order of the file.

    Raises:
        ConfigError: if it cannot be read, or is no such file, naming the line.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise ConfigError(f"data.class_names: {describe_os_error(error)}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"data.class_names: {path} is not valid UTF-8") from error
    pairs = _of_json(path, text) if text.lstrip().startswith("{") else _of_table(path, text)
    return check_pairs(pairs)


def check_pairs(value: Any) -> Pairs:
    """Return pairs of class and name as tuples.

    Args:
        value: A mapping, or a sequence of pairs.

    Raises:
        ConfigError: for anything else, an empty name, or a class that is named twice.
    """
    pairs = list(value.items()) if isinstance(value, Mapping) else value
    if not isinstance(pairs, Sequence) or isinstance(pairs, str) or not all(map(_is_pair, pairs)):
        raise ConfigError(
            "expected data.class_names to be a file, or {class: name} of texts that are not empty, "
            f"got {value!r}"
        )
    known = [str(one) for one, _ in pairs]
    if twice := sorted({one for one in known if known.count(one) > 1}):
        raise ConfigError(f"data.class_names names {some(twice)} twice")
    return tuple((str(one), " ".join(name.split())) for one, name in pairs)


def rename_classes(splits: Splits, pairs: Pairs) -> Splits:
    """Return lists whose classes have the names of a names file; others keep theirs.

    Raises:
        ConfigError: for a class that is not there, with the nearest.
    """
    spaced = {name.replace("_", " "): name for name in splits.class_names}
    names: dict[str, str] = {}
    for one, name in pairs:
        known = spaced.get(one.replace("_", " "))
        if known is None:
            near, there = did_you_mean(one, splits.class_names), some(list(splits.class_names))
            raise ConfigError(
                f"data.class_names: {splits.name} has no class {one!r}.{near} Its classes: {there}"
            )
        names[known] = name
    return splits._replace(class_names=tuple(names.get(one, one) for one in splits.class_names))


def _is_pair(pair: Any) -> bool:
    if isinstance(pair, str) or not isinstance(pair, Sequence) or len(pair) != 2:
        return False
    return all(isinstance(text, str) and text.strip() for text in pair)


def _of_json(path: Path, text: str) -> Any:
    try:
        return json.loads(text, object_pairs_hook=list)
    except ValueError as error:
        raise ConfigError(f"data.class_names: {path} is not valid JSON: {error}") from error


def _of_table(path: Path, text: str) -> list[list[str]]:
    delimiter = "\t" if "\t" in text else ","
    rows = list(csv.reader(text.splitlines(), delimiter=delimiter))
    for number, row in enumerate(rows, start=1):
        if row and (len(row) != 2 or not all(cell.strip() for cell in row)):
            raise ConfigError(
                f"data.class_names: line {number} of {path} has {len(row)} columns, expected two "
                f"that are not empty, the class and its name: {row}"
            )
    return [[cell.strip() for cell in row] for row in rows if row]
