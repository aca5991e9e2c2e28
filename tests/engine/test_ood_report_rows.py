"""Rows of a result: no average that is another row again."""

import pytest

from plp.ood.report import table_rows


def result(groups):
    metrics = {"auroc": 1.0}
    averages = {*groups.values(), "all"}
    score = {
        "sets": dict.fromkeys(groups, metrics),
        "average": dict.fromkeys(averages, metrics),
    }
    return {"scores": {"MSP": score}, "ood_sets": {k: {"group": v} for k, v in groups.items()}}


@pytest.mark.parametrize(
    ("groups", "rows"),
    [
        ({"a": "far"}, ["a"]),
        ({"a": "near"}, ["a"]),
        ({"a": "far", "b": "far"}, ["a", "b", "average of all"]),
        (
            {"a": "near", "b": "far"},
            ["a", "b", "average of near", "average of far", "average of all"],
        ),
    ],
)
def test_an_average_of_one_set_is_left_out(groups, rows):
    assert [row[1] for row in table_rows(result(groups))] == rows
