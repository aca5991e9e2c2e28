"""The schema: whole results pass, each missing or wrong entry is named, as the docs say."""

import json
import re

import pytest
from rows import ood_result, result_of

from plp.engine.result import write_result
from plp.errors import DataError
from plp.results.run import read_result
from plp.results.schema import KINDS, VERSION, check_result, describe_entries, entries_of

TEST = {"kind": "test", "checkpoint": "run", "trained_on": "dtd", "classes": "new"}
WHOLE = {"run": result_of(), "test": result_of(**TEST), "ood": ood_result()}


@pytest.mark.parametrize("kind", KINDS)
def test_a_whole_result_passes_and_no_entry_may_be_missing(kind):
    check_result(WHOLE[kind])
    check_result(WHOLE[kind] | {"an entry of one's own": 3})
    for entry in entries_of(kind):
        if entry.key not in ("schema_version", "kind"):
            lacking = {key: value for key, value in WHOLE[kind].items() if key != entry.key}
            if not entry.needed:  # results of an older plp have none
                check_result(lacking)
                continue
            with pytest.raises(DataError, match=f"the entry '{entry.key}' is missing"):
                check_result(lacking)


@pytest.mark.parametrize("kind", KINDS)
def test_an_entry_of_another_type_is_named(kind):
    class Odd:
        """Fits no entry but those that take any object."""

    for entry in entries_of(kind):
        if entry.key not in ("schema_version", "kind"):
            with pytest.raises(DataError, match=f"expected '{entry.key}' to be"):
                check_result(WHOLE[kind] | {entry.key: Odd()})


@pytest.mark.parametrize(
    ("change", "part"),
    [
        ({"validation": {"accuracy": {"fused": 50.0}}}, "'validation'"),
        ({"validation": {"accuracy": {"local": 50.0}, "num_images": 3}}, "'validation'"),
        ({"images": {"train": 1, "val": 1}}, "'images'"),
        ({"num_test_images": -1}, "'num_test_images'"),
        ({"num_test_images": True}, "'num_test_images'"),
        ({"per_class_accuracy": {"banded": 100.5}}, "'per_class_accuracy'"),
        ({"seconds": {"train": float("inf")}}, "'seconds'"),
        ({"kind": "guess"}, "expected a kind among"),
    ],
)
def test_values_that_cannot_be(change, part):
    with pytest.raises(DataError, match=part):
        check_result(result_of(**change), "here/result.json")


def test_validation_may_be_missing_from_the_data():
    check_result(result_of(validation=None))


@pytest.mark.parametrize(
    ("found", "advice"),
    [({"schema": 1}, "run it again"), ({"schema_version": VERSION + 1}, "update plp")],
)
def test_another_version_is_told_with_what_to_do(tmp_path, found, advice):
    path = tmp_path / "result.json"
    path.write_text(json.dumps(found))
    with pytest.raises(DataError, match=rf"version \d of the result schema.*{advice}"):
        read_result(path)


def test_a_result_that_does_not_fit_is_not_written(tmp_path):
    path = tmp_path / "result.json"
    with pytest.raises(DataError, match="'shots'"):
        write_result(path, result_of(shots="four"))
    assert not path.exists()
    write_result(path, result_of())
    result = read_result(path)
    assert result.pop("digest")
    assert result == result_of()


def test_the_documentation_has_the_entries(root):
    text = (root / "docs/result_schema.md").read_text(encoding="utf-8")
    assert re.search(rf"version {VERSION}\b", text)
    for kind in (None, *KINDS):
        assert describe_entries(kind) in text, kind
