"""Base, new, harmonic mean, and transfer: against numbers worked by hand."""

import pytest
from rows import rows

from plp.results.protocol_tables import base_to_new_tables, harmonic_mean, transfer_tables


def test_harmonic_mean_against_the_standard_library():
    from statistics import harmonic_mean as standard

    for one, other in ((80.0, 60.0), (100.0, 1.0), (0.0, 5.0), (0.0, 0.0)):
        assert harmonic_mean(one, other) == pytest.approx(standard([one, other]))


def both(method, dataset, base, new):
    return rows(method, f"{dataset}-base", 16, base) + rows(method, f"{dataset}-new", 16, new)


def cells(table):
    return {row[0]: [cell and round(cell.mean, 4) for cell in row[1:]] for row in table.rows}


def test_base_to_new_by_hand():
    runs = both("coop", "dtd", {1: 80.0, 2: 60.0}, {1: 40.0, 2: 60.0})
    runs += both("coop", "pets", {1: 90.0, 2: 90.0}, {1: 90.0, 2: 90.0})
    runs += both("kgcoop", "dtd", {1: 70.0, 2: 70.0}, {1: 70.0, 2: 70.0})
    average, dtd, pets = base_to_new_tables(runs, ["coop", "kgcoop"], ["dtd", "pets"])
    assert [table.header for table in (average, dtd, pets)] == [
        ("method", "base", "new", "harmonic mean")
    ] * 3
    first, second = harmonic_mean(80.0, 40.0), harmonic_mean(60.0, 60.0)
    wanted = [70, 50, round((first + second) / 2, 4)]
    assert cells(dtd) == {"coop": wanted, "kgcoop": [70, 70, 70]}
    # of the average: base (85, 75), new (65, 75) by seed; kgcoop lacks a dataset
    mean = round((harmonic_mean(85.0, 65.0) + 75) / 2, 4)
    assert cells(average) == {"coop": [80, 70, mean], "kgcoop": [None, None, None]}
    assert cells(pets)["kgcoop"] == [None, None, None]
    assert dtd.rows[0][1].std == pytest.approx(200**0.5)
    assert [row[2].best for row in dtd.rows] == [False, True]


def test_a_seed_without_its_other_half_does_not_count():
    runs = both("coop", "dtd", {1: 80.0, 2: 0.0}, {1: 40.0})
    (table,) = base_to_new_tables(runs, ["coop"], ["dtd"])
    assert cells(table)["coop"][:2] == [80, 40]
    assert "average" not in table.title


def test_the_average_of_a_transfer_leaves_the_source_out():
    runs = [run._replace(path="a") for run in rows("coop", "imagenet", 16, {1: 70.0})]
    for name, value in (("dtd", 40.0), ("pets", 90.0)):
        tests = rows("coop", name, 16, {1: value}, seconds={"test": 1.0})
        runs += [run._replace(path=name) for run in tests]
    sources = dict.fromkeys(("a", "dtd", "pets"), "imagenet")
    (table,) = transfer_tables(runs, sources, ["coop"], ["imagenet"], ["dtd", "pets", "imagenet"])
    assert table.header[:5] == ("method", "imagenet", "dtd", "pets", "average")
    assert [cell.mean for cell in table.rows[0][1:5]] == [70.0, 40.0, 90.0, 65.0]
    assert table.rows[0][-1].mean == 10.0  # of the training; tests train nothing
