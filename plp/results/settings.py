"""What a run was set to, and whether two runs may share a row of a table."""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import MISSING, fields
from typing import Any, NamedTuple

from plp.config.data_options import WITHOUT_EFFECT, DataOptions
from plp.errors import DataError
from plp.zoo.names import label_of

# Entries of a config that no number depends on, that name a row or a cell of their own, or that the
# result says better.
_LEFT_OUT = (
    *(f"data.{key}" for key in WITHOUT_EFFECT), "data.shots", "data.sampler", "randomness.seed",
    "dataset.root", "work_dir", "save_seconds", "report", "selection", "model.precision",
    "model.backbone.pretrained",
)  # fmt: skip
# Entries that name the dataset itself.
_OF_DATASET = ("dataset", "classes", "classes tested", "data.classes")
# What an entry of the `data` section is where it is not set: older configs lack newer entries.
_UNSET = {
    f"data.{one.name}": one.default for one in fields(DataOptions) if one.default is not MISSING
}
_LONGEST = 40


class Settings(NamedTuple):
    """What a run was set to.

    Attributes:
        digest: Of the values, eight hexadecimal digits: equal settings have equal ones.
        values: Entries of the config by dotted key, and what only the result knows.
        recipe: Keys that a recipe of the dataset or of the number of shots has set.
        backbone: What the backbone is called; '' where it is not known.
    """

    digest: str
    values: Mapping[str, Any]
    recipe: frozenset[str] = frozenset()
    backbone: str = ""


def settings_of(result: Mapping[str, Any], **more: Any) -> Settings:
    """Return the settings of a result.

    Args:
        result: As it stands in a file.
        more: What else tells its numbers from others, such as the temperature of a score.
    """
    values = {
        key: value
        for key, value in _flat(result["config"])
        if not _within(key, _LEFT_OUT) and (key not in _UNSET or value != _UNSET[key])
    }
    names = result["class_names"]
    values |= {
        "precision": result["precision"],
        "sampler": result["sampler"],
        "selection": result.get("selection") or "last",
        "classes tested": result.get("classes"),
        "backbone weights": result["backbone_fingerprint"][:12],
        "classes": f"{len(names)} ({_digest(names)[:6]})",
        **dict(_flat(more)),
    }
    values = {key: value for key, value in values.items() if value is not None}
    backbone = label_of(result["config"].get("model", {}).get("backbone"))
    return Settings(_digest(values)[:8], values, frozenset(result["recipe"]), backbone)


def differing(one: Settings, other: Settings) -> list[str]:
    """Return the keys whose values differ."""
    if one.digest == other.digest:
        return []
    keys = dict.fromkeys([*one.values, *other.values])
    return [key for key in keys if one.values.get(key) != other.values.get(key)]


def unexplained(
    one: Settings, other: Settings, *, same_dataset: bool, same_shots: bool
) -> list[str]:
    """Return the keys that keep two runs of a method out of one row.

    Between datasets, what names them and their recipes may differ; between numbers of shots, the
    recipes.
    """
    keys = differing(one, other)
    if not (same_dataset and same_shots):
        recipes = one.recipe | other.recipe
        keys = [key for key in keys if not _within(key, recipes)]
    if not same_dataset:
        keys = [key for key in keys if not _within(key, _OF_DATASET)]
    return keys


def describe(settings: Settings, keys: Iterable[str]) -> str:
    """Return some entries in words.

    Example:
        >>> describe(Settings('', {'train_cfg.max_epochs': 5}), ['train_cfg.max_epochs', 'x'])
        'train_cfg.max_epochs=5, x not set'
    """
    return ", ".join(
        f"{key}={_short(settings.values[key])}" if key in settings.values else f"{key} not set"
        for key in keys
    )


def require_equal(what: str, runs: Sequence[tuple[str, Settings | None]]) -> None:
    """Refuse to average over different settings.

    Args:
        what: Whose mean is asked for.
        runs: Name and settings of each run; None where they are not known.

    Raises:
        DataError: naming two runs and in what they differ.
    """
    known = [(name, settings) for name, settings in runs if settings is not None]
    for name, settings in known[1:]:
        first, other = known[0]
        if keys := differing(other, settings):
            raise DataError(
                f"{what}: a mean is of runs with equal settings. {first} has "
                f"{describe(other, keys[:5])}; {name} has {describe(settings, keys[:5])}. Give "
                "them names of their own, or leave one out"
            )


def _flat(value: Any, key: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the leaves of nested settings by dotted key; an empty mapping is none."""
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield from _flat(inner, f"{key}.{name}" if key else str(name))
    else:
        yield key, _plain(value)


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(inner) for key, inner in value.items()}
    return list(map(_plain, value)) if isinstance(value, list | tuple) else value


def _within(key: str, names: Iterable[str]) -> bool:
    return any(key == name or key.startswith(f"{name}.") for name in names)


def _digest(value: Any) -> str:
    text = json.dumps(value, sort_keys=True, ensure_ascii=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def _short(value: Any) -> str:
    text = " ".join(str(value).split())
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"
