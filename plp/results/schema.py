"""The schema of `result.json` and `ood.json`: what must stand in them, and a check that it does.

Documented in docs/result_schema.md, whose tables are `describe_entries`.
"""

import math
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from plp.errors import DataError

VERSION = 2
KINDS = ("run", "test", "ood")
Check = Callable[[Any], bool]


class Entry(NamedTuple):
    """An entry of a result.

    Attributes:
        key: Its name.
        kind: Its type in words, as a message and the documentation have it.
        fits: Whether a value is of that type.
        meaning: What it says.
        needed: Whether a result without it is refused; those that older results lack are not.
    """

    key: str
    kind: str
    fits: Check
    meaning: str
    needed: bool = True


def is_number(value: Any) -> bool:
    """Whether a value is a finite number."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _is_percent(value: Any) -> bool:
    return is_number(value) and 0 <= value <= 100


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_object(value: Any) -> bool:
    return isinstance(value, Mapping)


def _or_null(fits: Check) -> Check:
    return lambda value: value is None or fits(value)


def _list_of(fits: Check) -> Check:
    return lambda value: isinstance(value, list) and all(map(fits, value))


def _object_of(fits: Check, *needed: str) -> Check:
    return lambda value: (
        isinstance(value, Mapping)
        and all(key in value for key in needed)
        and all(map(fits, value.values()))
    )


def _one_of(*values: Any) -> Check:
    return lambda value: value in values


_ACCURACIES = _object_of(_is_percent, "fused")


def _is_validation(value: Any) -> bool:
    return (
        isinstance(value, Mapping)
        and _ACCURACIES(value.get("accuracy"))
        and _is_count(value.get("num_images"))
    )


def _is_inside(value: Any) -> bool:
    return (
        isinstance(value, Mapping)
        and _is_count(value.get("images"))
        and _ACCURACIES(value.get("accuracy"))
        and _is_object(value.get("calibration"))
    )


def _is_score(value: Any) -> bool:
    metrics = _object_of(is_number, "auroc", "fpr95_id", "fpr95_ood")
    return (
        isinstance(value, Mapping)
        and _object_of(metrics)(value.get("sets"))
        and _object_of(metrics, "all")(value.get("average"))
    )


_COMMON = (
    Entry("schema_version", f"the number {VERSION}", _one_of(VERSION), "version of this schema"),
    Entry("kind", '"run", "test" or "ood"', _one_of(*KINDS), "what was done"),
    Entry("config_file", "text or null", _or_null(_is_text), "config file it was started from"),
    Entry("config", "object", _is_object, "config with flags, recipe and options applied"),
    Entry("recipe", "object", _is_object, "entries of the recipe that took effect"),
    Entry("dataset", "text", _is_text, "dataset; `NAME-base`, `NAME-new` for half its classes"),
    Entry("class_names", "list of texts", _list_of(_is_text), "classes tested, in label order"),
    Entry("shots", "count", _is_count, "training images per class, as asked for"),
    Entry("sampler", "text", _is_text, "'exact' or 'stratified'"),
    Entry("split_hash", "text", _is_text, "SHA-256 of the paths of the shots, in order"),
    Entry("images", "counts `train`, `val`, `test`", _object_of(_is_count, "train", "val", "test"),
          "images of each part"),
    Entry("seed", "count", _is_count, "seed of draw, start and training"),
    Entry("transforms", "object of texts", _object_of(_is_text), "transforms in words"),
    Entry("prompts", "list of texts", _list_of(_is_text), "prompts as they started"),
    Entry("tuners", "list of texts, or missing", _list_of(_is_text),
          "what is learned inside the towers: settings, towers, number of values", needed=False),
    Entry("learned_parameters", "object of lists of counts", _object_of(_list_of(_is_count)),
          "shape of each tensor learned by gradient"),
    Entry("backbone_fingerprint", "text", _is_text, "digest of the backbone's weights"),
    Entry("precision", '"fp32", "bf16" or "fp16"', _one_of("fp32", "bf16", "fp16"),
          "precision of the towers"),
    Entry("device", "text", _is_text, "where it ran"),
    Entry("versions", "object of texts", _object_of(_is_text), "Python and packages"),
    Entry("git_commit", "text or null", _or_null(_is_text),
          "commit of plp, `-dirty` behind it for uncommitted changes"),
    Entry("notes", "list of texts", _list_of(_is_text), "what the reader should know"),
    Entry("seconds", "object of numbers", _object_of(is_number), "duration by stage or set"),
    Entry("peak_memory", "object of counts", _object_of(_is_count), "MiB of process and GPU"),
    Entry("duplicates", "object of counts, or missing", _object_of(_is_count, "images"),
          "images whose content stands twice, see below", needed=False),
    Entry("processor_seconds", "object of numbers, or missing", _object_of(is_number),
          "processor time of hashing and checks, and of the whole run", needed=False),
)  # fmt: skip
_TESTED = (
    Entry("accuracy", "object of percentages, with `fused`", _ACCURACIES,
          "test accuracy by line of evidence; `fused` is the prediction"),
    Entry("per_class_accuracy", "object of percentages", _object_of(_is_percent),
          "of the prediction, by class"),
    Entry("num_test_images", "count", _is_count, "images tested"),
)  # fmt: skip
_CHECKPOINT = (
    Entry("checkpoint", "text", _is_text, "what was tested"),
    Entry("trained_on", "text or null", _or_null(_is_text), "dataset of its training"),
)
_OWN = {
    "run": (
        Entry("selection", '"last" or "val"', _one_of("last", "val"), "which epoch was tested"),
        Entry("epochs", "count", _is_count, "epochs trained"),
        Entry("steps", "count", _is_count, "steps of the optimiser"),
        Entry("fitted", "list of texts", _list_of(_is_text), "what was fitted or tuned otherwise"),
        Entry("resumed", "true or false", _one_of(True, False), "whether the run was cut off once"),
        Entry("validation", "object or null", _or_null(_is_validation),
              "`accuracy` (as that of the test) and `num_images` on validation images, of what was "
              "tested; null without such images"),
        Entry("content_hash", "text, or missing", _is_text,
              "SHA-256 of what the shots contain, in order", needed=False),
        Entry("checkpoint_digest", "text, or missing", _is_text,
              "digest in the checkpoint that was tested, to tell it from another in its place",
              needed=False),
        *_TESTED,
    ),
    "test": (
        *_CHECKPOINT,
        Entry("classes", '"same", "subset" or "new"', _one_of("same", "subset", "new"),
              "how the classes relate to those of the training"),
        *_TESTED,
    ),
    "ood": (
        *_CHECKPOINT,
        Entry("on_error", '"stop" or "skip"', _one_of("stop", "skip"),
              "what was done about unreadable images"),
        Entry("in_distribution", "object", _is_inside,
              "`images`, `accuracy` and `calibration` by line of evidence, `unreadable`"),
        Entry("ood_sets", "object", _object_of(_is_object), "counts and group of each set"),
        Entry("scores", "object", _object_of(_is_score),
              "settings and metrics of each score, by set and averaged"),
    ),
}  # fmt: skip


def entries_of(kind: str) -> tuple[Entry, ...]:
    """Return the entries that a result of some kind must have; it may have more."""
    return (*_COMMON, *_OWN[kind])


def check_result(result: Any, where: str = "the result") -> None:
    """Check a result that was read from JSON, or is to be written as such.

    Raises:
        DataError: naming the first entry that is missing or does not fit; for a result of another
            version of the schema, saying so.

    Example:
        >>> check_result({'schema': 1, 'accuracy': {}}, 'old/result.json')
        Traceback (most recent call last):
        ...
        plp.errors.DataError: old/result.json has version 1 of the result schema, this plp reads
        version 2: run it again, or read it with the plp that wrote it
    """
    if not isinstance(result, Mapping):
        raise DataError(f"{where} is no result: expected an object, got {type(result).__name__}")
    version = result.get("schema_version", result.get("schema"))
    if _is_count(version) and version != VERSION:
        what = "run it again" if version < VERSION else "update plp"
        raise DataError(
            f"{where} has version {version} of the result schema, this plp reads version "
            f"{VERSION}: {what}, or read it with the plp that wrote it"
        )
    kind = result.get("kind")
    if kind not in KINDS:
        raise DataError(f"{where} is no result: expected a kind among {KINDS}, got {kind!r}")
    for entry in entries_of(kind):
        if entry.key not in result:
            if not entry.needed:
                continue
            raise DataError(f"{where} is no whole result: the entry {entry.key!r} is missing")
        if not entry.fits(result[entry.key]):
            got = repr(result[entry.key])
            got = got if len(got) < 200 else got[:200] + " ..."
            raise DataError(f"{where}: expected {entry.key!r} to be {entry.kind}, got {got}")


def describe_entries(kind: str | None = None) -> str:
    """Return the entries as a Markdown table: those of a kind beside the common ones, or these."""
    rows = _COMMON if kind is None else _OWN[kind]
    lines = [f"| `{entry.key}` | {entry.kind} | {entry.meaning} |" for entry in rows]
    return "\n".join(["| entry | type | meaning |", "|---|---|---|", *lines])
