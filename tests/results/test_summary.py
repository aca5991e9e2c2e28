"""Means and sample deviations, by hand."""

import pytest
from rows import rows

from plp.errors import DataError
from plp.results import average_over_datasets, summarise


def test_mean_and_sample_deviation():
    # deviations -4, 0, 4 from 64: sqrt(32 / 2) = 4; the population's would be 3.27
    cell = summarise(rows("coop", "dtd", 4, {1: 60.0, 2: 64.0, 3: 68.0}))["coop", "dtd", 4]
    assert cell.mean == pytest.approx(64.0)
    assert cell.std == pytest.approx(4.0)
    assert cell.seeds == (1, 2, 3)


def test_one_seed_has_no_deviation():
    cell = summarise(rows("coop", "dtd", 4, {7: 60.0}))["coop", "dtd", 4]
    assert (cell.mean, cell.std, cell.seeds) == (60.0, None, (7,))


def test_cells_are_apart():
    runs = (
        rows("coop", "dtd", 4, {1: 10.0})
        + rows("coop", "dtd", 16, {1: 20.0})
        + rows("coop", "pets", 4, {1: 30.0})
        + rows("plot", "dtd", 4, {1: 40.0})
    )
    assert {key: cell.mean for key, cell in summarise(runs).items()} == {
        ("coop", "dtd", 4): 10.0,
        ("coop", "dtd", 16): 20.0,
        ("coop", "pets", 4): 30.0,
        ("plot", "dtd", 4): 40.0,
    }


def test_a_seed_counts_once():
    with pytest.raises(DataError, match="coop, dtd, 4 shots, seed 1 is there twice"):
        summarise(rows("coop", "dtd", 4, {1: 60.0}) * 2)


def test_a_line_that_a_run_lacks_is_left_out():
    one, two = rows("coop", "dtd", 4, {1: 60.0, 2: 70.0})
    two = two._replace(accuracy={"fused": 70.0, "zero_shot": 30.0})
    assert summarise([one, two], "zero_shot")["coop", "dtd", 4].seeds == (2,)
    assert summarise([one], "zero_shot") == {}


def test_average_has_the_deviation_of_the_seeds_averages():
    runs = rows("coop", "dtd", 4, {1: 50.0, 2: 60.0}) + rows("coop", "pets", 4, {1: 90.0, 2: 80.0})
    average = average_over_datasets(runs, "coop", 4, ["dtd", "pets"])
    assert average.mean == pytest.approx(70.0)
    assert average.std == pytest.approx(0.0)  # both seeds average 70
    assert average.seeds == (1, 2)


def test_average_of_other_seeds_has_no_deviation():
    runs = rows("coop", "dtd", 4, {1: 50.0, 2: 60.0}) + rows("coop", "pets", 4, {1: 91.0})
    average = average_over_datasets(runs, "coop", 4, ["dtd", "pets"])
    assert average.mean == pytest.approx((55.0 + 91.0) / 2)  # not (50 + 60 + 91) / 3
    assert (average.std, average.seeds) == (None, ())


def test_no_average_of_some_data_sets():
    runs = rows("coop", "dtd", 4, {1: 50.0}) + rows("coop", "pets", 16, {1: 91.0})
    assert average_over_datasets(runs, "coop", 4, ["dtd", "pets"]) is None


def test_average_passes_over_data_sets_not_asked_for():
    runs = rows("coop", "dtd", 4, {1: 50.0}) + rows("coop", "pets", 4, {1: 90.0})
    assert average_over_datasets(runs, "coop", 4, ["dtd"]).mean == 50.0
