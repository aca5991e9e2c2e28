"""Published numbers: whole, sourced, averaged as they say, never in a column of ours."""

from statistics import fmean

import pytest
from rows import rows

from plp.results import accuracy_table
from plp.results.protocol_tables import harmonic_mean
from plp.results.published import published, published_accuracy, published_protocol

SECTIONS = ("accuracy", "domain", "base-to-new", "ood")


@pytest.mark.parametrize("section", SECTIONS)
def test_each_row_is_whole_and_has_a_source(section):
    data = published()[section]
    for row in data["rows"]:
        assert set(row) == {"method", "values", "source", "caveat"}
        assert len(row["values"]) == len(data["columns"]), row["method"]
        assert row["source"]
        assert "memory" not in row["source"] + row["caveat"]
    methods = [row["method"] for row in data["rows"]]
    assert len(set(methods)) == len(methods)


def test_averages_are_those_of_their_rows():
    for row in published()["accuracy"]["rows"]:
        *sets, average = row["values"]
        if None not in sets:
            assert fmean(sets) == pytest.approx(average, abs=0.1), row["method"]
    for row in published()["domain"]["rows"]:
        assert fmean(row["values"][1:5]) == pytest.approx(row["values"][5], abs=0.051)
    for row in published()["base-to-new"]["rows"]:
        base, new, mean = row["values"]
        assert harmonic_mean(base, new) == pytest.approx(mean, abs=0.011)
    for row in published()["ood"]["rows"]:
        *sets, average = row["values"]
        if None not in sets:
            for i in (0, 1):
                assert fmean(one[i] for one in sets) == pytest.approx(average[i], abs=0.11)


def test_the_headline_claims_are_there():
    accuracy = {row["method"]: row["values"][-1] for row in published()["accuracy"]["rows"]}
    assert (accuracy["SOT-GLP"], accuracy["GalLoP"], accuracy["CoOp"]) == (85.1, 84.4, 79.89)
    ood = {row["method"]: row["values"][-1] for row in published()["ood"]["rows"]}
    assert ood["SOT-GLP, no projection"] == [None, 94.2]  # FPR95: no source that could be read


def test_tables_stand_apart_from_ours():
    ours = accuracy_table(rows("coop", "dtd", 16, {1: 50.0}), 16)
    (table,) = published_accuracy(["dtd"])
    assert table.title.startswith("Published")
    assert not {row[0] for row in ours.rows} & {row[0] for row in table.rows}
    assert all(len(row) == len(table.header) for row in table.rows)
    assert "[1] README of github.com/MarcLafon/gallop" in " ".join(table.notes)
    assert published_accuracy(["textile"]) == []


def test_protocols_without_published_numbers_have_no_table():
    assert published_protocol("cross-dataset") == []
    (ood,) = published_protocol("ood")
    assert ood.rows[-1][-2] == "– / 94.2"
