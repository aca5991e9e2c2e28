"""Rows of one method that were run with different settings, told apart by name."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from plp.results.ood_run import OODRun
from plp.results.run import Run
from plp.results.settings import Settings, describe, unexplained
from plp.wording import count

_MOST_KEYS = 3  # of a name
_OF_BACKBONE = ("model.backbone", "backbone weights")  # keys that its name stands for


class Apart(NamedTuple):
    """Rows whose names tell settings apart.

    Attributes:
        rows: As they were given; a method with several settings has a name for each of them.
        notes: For each such method, which settings it is there with.
        named: The names of each method, by the name it had.
    """

    rows: list[Run | OODRun]
    notes: list[str]
    named: dict[str, list[str]]


def tell_apart(rows: Sequence[Run | OODRun]) -> Apart:
    """Give the runs of a method a name for each of its settings, where it has several.

    Runs of one name may be averaged: within a cell their settings are equal, elsewhere they differ
    by recipes of dataset and shots only. Trainings, tests of checkpoints and tests of
    out-of-distribution detection are looked at each by themselves: the config of a test says what
    the test was called with.
    """
    found: list[Run | OODRun] = list(rows)
    notes: list[str] = []
    named: dict[str, list[str]] = {row.method: [] for row in rows}
    kinds = dict.fromkeys((row.method, _kind(row)) for row in rows)
    for method, kind in kinds:
        places = [i for i, row in enumerate(rows) if (row.method, _kind(row)) == (method, kind)]
        variants = _variants([(i, rows[i]) for i in places])
        labels = [method] if len(variants) == 1 else list(_labels(method, variants))
        named[method] += [label for label in labels if label not in named[method]]
        for label, variant in zip(labels, variants, strict=True):
            for i, _ in variant:
                found[i] = found[i]._replace(method=label)
        if len(variants) > 1:
            notes.append(_note(method, labels, variants))
    return Apart(found, notes, named)


def is_of_method(name: str, method: str) -> bool:
    """Whether a name in rows is that of a method, or of one of its settings.

    Example:
        >>> is_of_method('coop [data.views=1]', 'coop'), is_of_method('cocoop', 'coop')
        (True, False)
    """
    return name == method or name.startswith(f"{method} [")


Variant = list[tuple[int, Run | OODRun]]


def _kind(row: Run | OODRun) -> str:
    return "ood" if isinstance(row, OODRun) else row.kind


def _variants(rows: Variant) -> list[Variant]:
    """Return the rows in as few groups as agree, in the order of their first rows."""
    variants: list[Variant] = []
    for place, row in rows:
        fitting = (v for v in variants if all(_agree(row, other) for other in _leaders(v)))
        variant = next(fitting, None)
        if variant is None:
            variants.append([(place, row)])
        else:
            variant.append((place, row))
    return variants


def _leaders(variant: Variant) -> list[Run | OODRun]:
    """Return a row for each cell and settings of a variant."""
    return list(
        {(r.dataset, r.shots, r.settings and r.settings.digest): r for _, r in variant}.values()
    )


def _agree(one: Run | OODRun, other: Run | OODRun) -> bool:
    return not _keys(one, other)


def _keys(one: Run | OODRun, other: Run | OODRun) -> list[str]:
    if one.settings is None or other.settings is None:
        return []
    return unexplained(
        one.settings, other.settings,
        same_dataset=one.dataset == other.dataset, same_shots=one.shots == other.shots,
    )  # fmt: skip


def _labels(method: str, variants: Sequence[Variant]) -> Iterator[str]:
    """Name each variant: by config file or backbone if that says all, else by what differs."""
    files = [
        {Path(row.config_file).stem for _, row in v if isinstance(row, Run) and row.config_file}
        for v in variants
    ]
    stems = [next(iter(file)) if len(file) == 1 else "" for file in files]
    if all(stems) and len(set(stems)) == len(stems):
        yield from (f"{method} [{stem}]" for stem in stems)
        return
    keys = _differing_keys(variants)
    backbones = [_settings(variant).backbone for variant in variants]
    if all(backbones) and len(set(backbones)) > 1:
        keys = [key for key in keys if not key.startswith(_OF_BACKBONE)]
    else:
        backbones = ["" for _ in variants]
    settings = [describe(_settings(v), keys[:_MOST_KEYS]) for v in variants]
    alone = len(set(backbones)) == len(variants)  # the backbone says all
    texts = backbones if alone else list(map(_joined, backbones, settings))
    for text, variant in zip(texts, variants, strict=True):
        whole = alone or (len(keys) <= _MOST_KEYS and texts.count(text) == 1)
        yield f"{method} [{text}]" if whole else f"{method} [{text}, {_settings(variant).digest}]"


def _joined(*parts: str) -> str:
    return ", ".join(filter(None, parts))


def _differing_keys(variants: Sequence[Variant]) -> list[str]:
    """Return the keys that keep variants apart, those of the most pairs of rows first."""
    counts: dict[str, int] = {}
    for i, variant in enumerate(variants):
        for other in variants[:i]:
            for one in _leaders(other):
                for two in _leaders(variant):
                    for key in _keys(one, two):
                        counts[key] = counts.get(key, 0) + 1
    return sorted(counts, key=lambda key: (-counts[key], key))


def _settings(variant: Variant) -> Settings:
    return next((row.settings for _, row in variant if row.settings), Settings("", {}))


def _note(method: str, labels: Sequence[str], variants: Sequence[Variant]) -> str:
    keys = _differing_keys(variants)
    lines = [
        f"{label} ({count(len(variant), 'run')}: {describe(_settings(variant), keys[:8])})"
        for label, variant in zip(labels, variants, strict=True)
    ]
    more = f" and {len(keys) - 8} more entries" if len(keys) > 8 else ""
    return (
        f"{method} was run with different settings, which have rows of their own and share no "
        f"mean: {'; '.join(lines)}{more}."
    )
