"""The same content in two places of a dataset: found by content, counted, said once."""

import os
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from plp.datasets.base import Item, Splits
from plp.datasets.contents import equal_files
from plp.datasets.sampling import FewShot
from plp.wording import count

MOST_LISTED = 200_000  # of a longer training list only the images that were drawn are compared
MOST_NAMED = 3
_PARTS = ("train", "val", "test")
_COUNTED = (
    "test_in_train", "test_in_shots", "test_in_val", "val_in_train", "val_in_shots",
    "repeated_in_train", "repeated_in_val", "repeated_in_test",
)  # fmt: skip


class Row(NamedTuple):
    """A row of a list: its part (train, val, test), its path there, the index of its class."""

    part: str
    path: str
    label: int


Group = tuple[Row, ...]
Pairs = list[tuple[Row, Row]]


class Duplicates(NamedTuple):
    """Where the same content stands twice.

    Attributes:
        counts: Images compared, and those that repeat others, by where; as in `result.json`.
        notes: The same in sentences; none where nothing repeats.
        conflicts: Rows of one content in several classes.
        val_shots: Paths of drawn validation images that have the content of a shot.
    """

    counts: dict[str, int]
    notes: tuple[str, ...]
    conflicts: tuple[Group, ...]
    val_shots: frozenset[str]


def find_duplicates(splits: Splits, few: FewShot | None = None) -> Duplicates:
    """Find what stands twice in the lists of a dataset, and among the images of a run.

    All lists are compared; of a training list of more than `MOST_LISTED` images the drawn ones.

    Args:
        splits: The lists.
        few: What was drawn from them; None: nothing.
    """
    shots, drawn = (
        {item.path for item in items} for items in ((few.train, few.val) if few else ((), ()))
    )
    lists = {part: getattr(splits, part) for part in _PARTS}
    if len(splits.train) > MOST_LISTED:
        taken = shots | drawn
        lists["train"] = tuple(item for item in splits.train if item.path in taken)
    rows = [Row(part, *item) for part in _PARTS for item in lists[part]]
    root = os.fspath(splits.root)
    equal = equal_files([os.path.join(root, row.path) for row in rows])
    groups = [tuple(rows[i] for i in group) for group in equal]
    pairs: dict[str, Pairs] = {key: [] for key in _COUNTED}
    drawn_from = "val" if splits.val else "train"
    for group in groups:
        shot = next((row for row in group if row.part == "train" and row.path in shots), None)
        for key, row, other in _pairs(group, shot):
            pairs[key].append((row, other))
        if shot:
            kept = (row for row in group if row.part == drawn_from and row.path in drawn)
            pairs["val_in_shots"] += [(row, shot) for row in kept]
    conflicts = tuple(group for group in groups if len({row.label for row in group}) > 1)
    counts = {"images": len(rows), **{key: len(found) for key, found in pairs.items()}}
    counts["two_labels"] = sum(map(len, conflicts))
    notes = tuple(f"{splits.name}: {note}" for note in _notes(pairs, lists))
    if conflicts:
        told = conflicts_in_words(conflicts, splits.class_names)
        notes += (f"{splits.name}: {told}",)
    return Duplicates(counts, notes, conflicts, frozenset(r.path for r, _ in pairs["val_in_shots"]))


def conflicts_in_words(conflicts: Sequence[Group], names: Sequence[str]) -> str:
    """Say which images stand in several classes.

    Example:
        >>> same = (Row("train", "a/1.jpg", 0), Row("test", "b/7.jpg", 1))
        >>> conflicts_in_words([same], ["ant", "bee"])
        "1 image stands in several classes: 'a/1.jpg' (ant) is 'b/7.jpg' (bee)"
    """
    shown = [
        " is ".join(f"{row.path!r} ({names[row.label]})" for row in group[:MOST_NAMED])
        for group in conflicts[:MOST_NAMED]
    ]
    rest = len(conflicts) - len(shown)
    verb = "stands" if len(conflicts) == 1 else "stand"
    more = f"; and {rest} more" if rest else ""
    return f"{count(len(conflicts), 'image')} {verb} in several classes: {'; '.join(shown)}{more}"


def _pairs(group: Group, shot: Row | None) -> Iterator[tuple[str, Row, Row]]:
    """Yield what to count: how a row repeats another of its content, and which one."""
    first: dict[str, Row] = {}
    for row in group:
        if row.part in first:
            yield f"repeated_in_{row.part}", row, first[row.part]
        first.setdefault(row.part, row)
    for row in group:
        for part, other in (("test", "train"), ("test", "val"), ("val", "train")):
            if row.part == part and other in first:
                yield f"{part}_in_{other}", row, first[other]
        if row.part == "test" and shot:
            yield "test_in_shots", row, shot


def _notes(pairs: Mapping[str, Pairs], lists: Mapping[str, Sequence[Item]]) -> Iterator[str]:
    """Yield what a reader of the numbers must know, with examples."""
    number = {key: len(found) for key, found in pairs.items()}
    tests, vals = count(len(lists["test"]), "test image"), len(lists["val"])
    if leaked := pairs["test_in_train"]:
        shots = number["test_in_shots"]
        yield (
            f"{len(leaked)} of {tests} are also training images"
            f"{f' ({shots} of them shots of this draw)' if shots else ''}: {_examples(leaked)}. "
            "Remove them from one part: the test accuracy is too high by what is merely remembered"
        )
    if leaked := pairs["test_in_val"]:
        yield (
            f"{len(leaked)} of {tests} are also validation images: {_examples(leaked)}. Remove "
            "them from one part: what is chosen on validation images is chosen on the test set"
        )
    if number["val_in_train"] or number["val_in_shots"]:
        also = count(vals, "validation image") + " are also training images, "
        yield (
            (f"{number['val_in_train']} of {also}" if number["val_in_train"] else "")
            + f"{number['val_in_shots']} of the validation images drawn are shots: "
            f"{_examples(pairs['val_in_shots'] or pairs['val_in_train'])}. The validation accuracy "
            "is too high; no rejection threshold is chosen on shots"
        )
    if any(number[f"repeated_in_{part}"] for part in _PARTS):
        where = [f"{n} in {part}" for part in _PARTS if (n := number[f"repeated_in_{part}"])]
        every = [pair for part in _PARTS for pair in pairs[f"repeated_in_{part}"]]
        yield (
            f"images that repeat another one of the same part: {', '.join(where)}; "
            f"{_examples(every)}. Each counts as often as it is listed"
        )


def _examples(pairs: Sequence[tuple[Row, Row]]) -> str:
    """Name the first few pairs.

    Example:
        >>> _examples([(Row("test", "a/1.jpg", 0), Row("train", "b/7.jpg", 1))])
        "'a/1.jpg' is 'b/7.jpg'"
    """
    shown = [
        f"{row.path!r} is " + ("listed twice" if row.path == other.path else repr(other.path))
        for row, other in pairs[:MOST_NAMED]
    ]
    rest = len(pairs) - len(shown)
    return ", ".join(shown) + (f" and {rest} more" if rest else "")
