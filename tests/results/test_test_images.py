"""Numbers of test images stand in the tables, and cells of another number are marked."""

import pytest
from rows import ood_result, rows, write_ood_result

from plp.results import accuracy_table, to_markdown
from plp.results.ood_run import read_ood_run
from plp.results.ood_tables import ood_tables
from plp.results.protocol_tables import base_to_new_tables


def test_a_row_of_numbers():
    runs = [
        *rows("coop", "dtd", 4, {1: 60.0, 2: 62.0}, test_images=1692),
        *rows("plot", "dtd", 4, {1: 61.0, 2: 62.0}, test_images=1692),
        *rows("coop", "pets", 4, {1: 90.0, 2: 90.0}, test_images=37),
    ]
    table = accuracy_table(runs, 4)
    assert table.rows[-1] == ("test images", "1,692", "37", "", "", "")
    assert "| test images | 1,692 | 37 |" in to_markdown(table)
    assert not any("another number" in note for note in table.notes)


def test_another_number_in_a_column_is_marked_and_never_the_best():
    runs = [
        *rows("coop", "dtd", 4, {1: 60.0}, test_images=40),
        *rows("plot", "dtd", 4, {1: 61.0}, test_images=40),
        *rows("sotglp", "dtd", 4, {1: 99.0}, test_images=36),
    ]
    table = accuracy_table(runs, 4)
    coop, plot, sotglp, images = (row[1] for row in table.rows)
    assert images == "40"
    assert sotglp.remark == "36 test images"
    assert (coop.best, plot.best, sotglp.best) == (False, True, False)
    assert any("another number of test images" in note for note in table.notes)


def test_seeds_of_other_numbers_in_one_cell_are_marked():
    runs = rows("plot", "dtd", 4, {1: 60.0, 2: 61.0}, test_images=40)
    odd = rows("coop", "dtd", 4, {1: 60.0, 2: 62.0}, test_images=40)
    odd[1] = odd[1]._replace(test_images=36)
    (_, plot), (_, coop), _ = (row[:2] for row in accuracy_table([*runs, *odd], 4).rows)
    assert coop.remark == "36 and 40 test images"
    assert plot.remark == ""


def test_rows_of_an_older_file_have_no_such_row():
    assert len(accuracy_table(rows("coop", "dtd", 4, {1: 60.0}), 4).rows) == 1


def test_base_to_new_has_a_number_for_each_part():
    runs = [
        *rows("coop", "dtd-base", 4, {1: 80.0}, test_images=900),
        *rows("coop", "dtd-new", 4, {1: 60.0}, test_images=792),
        *rows("plot", "dtd-base", 4, {1: 81.0}, test_images=900),
        *rows("plot", "dtd-new", 4, {1: 90.0}, test_images=700),
    ]
    (table,) = base_to_new_tables(runs, ["coop", "plot"], ["dtd"])
    assert table.rows[-1] == ("test images", "900", "792", "")
    assert table.rows[1][2].remark == "700 test images"
    assert not table.rows[1][2].best


def test_ood_tables_have_a_number_for_each_set(tmp_path):
    sets = ood_result()["ood_sets"]
    sets = {name: one | {"images": 100 + n} for n, (name, one) in enumerate(sets.items())}
    for name, dogs in (("coop", 100), ("plot", 100), ("sotglp", 90)):
        changed = sets | {"dogs": sets["dogs"] | {"images": dogs}}
        write_ood_result(tmp_path / name, ood_sets=changed)
    runs = [read_ood_run(tmp_path / name, name) for name in ("coop", "plot", "sotglp")]
    table = ood_tables(runs)[0]
    assert table.rows[-1] == ("test images", "20", "100", "101", "", "", "")
    assert table.rows[2][2].remark == "90 test images"
    assert table.rows[0][2].remark == ""


@pytest.mark.parametrize(
    ("entries", "seconds"),
    [
        ({}, 2.0),
        ({"resumed": True, "resumed_seconds": 1.5}, 2.0),
        ({"resumed": True, "resumed_seconds": None}, None),
        ({"resumed": True}, None),
    ],
    ids=["unbroken", "adds up", "unknown", "of an older plp"],
)
def test_the_time_of_a_part_of_a_run_is_left_out(tmp_path, entries, seconds):
    from rows import write_result

    from plp.results import read_run

    run = read_run(write_result(tmp_path, **entries))
    assert run.seconds.get("train") == seconds
    cell = accuracy_table([run], 4).rows[0][-1]
    assert (cell and cell.mean) == seconds
