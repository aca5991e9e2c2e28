"""What stands in the cells of a table and how it is written."""

import csv
import io

import pytest
from rows import rows

from plp.results import Table, Value, accuracy_table, accuracy_tables, to_latex, to_markdown
from plp.results.cells import mark_best
from plp.results.csv_text import runs_to_csv, summary_to_csv
from plp.results.render import escape_latex

RUNS = [
    *rows("coop", "dtd", 4, {1: 60.0, 2: 64.0, 3: 68.0}, learned=12_345),
    *rows("coop", "pets", 4, {1: 80.0, 2: 80.0, 3: 83.0}, learned=999),
    *rows("my_net", "dtd", 4, {1: 64.0, 2: 64.0, 3: 64.1}, seconds={"train": 3.0}),
    *rows("my_net", "pets", 4, {1: 70.0}, seconds={"train": 5.0}),
    *rows("plot", "dtd", 16, {1: 90.0}),
]


def cells(table):
    return {(row[0], name): cell for row in table.rows for name, cell in zip(table.header, row)}  # noqa: B905


def lines_of(text):
    return [line for line in text.splitlines() if line.startswith("|")]


def test_one_table_for_each_number_of_shots():
    titles = [table.title for table in accuracy_tables(RUNS)]
    assert titles == ["Test accuracy in percent, 4 shots", "Test accuracy in percent, 16 shots"]
    assert accuracy_table(RUNS, 1).title.endswith("1 shot")
    assert accuracy_tables([]) == []


def test_whole_table_by_hand():
    assert lines_of(to_markdown(accuracy_table(RUNS, 4))) == [
        "| method | dtd | pets | average | learned parameters | training, s |",
        "| :--- | ---: | ---: | ---: | ---: | ---: |",
        "| coop | **64.0 ± 4.0** | 81.0 ± 1.7 | 72.5 ± 2.8 | 999–12,345 | 10.0 |",
        "| my_net | **64.0 ± 0.1** | 70.0 (seed 1) | 67.0 (mixed seeds) | 1,000 | 3.0 |",
        "| plot | – | – | – | – | – |",
    ]


def test_the_seeds_are_stated():
    assert "over 3 seeds (1, 2, 3)" in accuracy_table(RUNS, 4).notes[0]
    assert "One seed (1)" in accuracy_table(RUNS, 16).notes[0]


def test_order_and_choice_of_rows_and_columns():
    table = accuracy_table(RUNS, 4, methods=["my_net", "coop"], datasets=["pets"])
    assert table.header[:2] == ("method", "pets")
    assert "average" not in table.header
    assert [row[0] for row in table.rows] == ["my_net", "coop"]


def test_training_time_is_the_median():
    runs = rows("coop", "dtd", 4, {1: 1.0}, seconds={"train": 1.0})
    runs += rows("coop", "dtd", 4, {2: 1.0}, seconds={"train": 2.0})
    runs += rows("coop", "dtd", 4, {3: 1.0}, seconds={"train": 90.0})
    assert cells(accuracy_table(runs, 4))["coop", "training, s"].mean == 2.0


def test_fitting_and_tuning_are_training_the_test_is_not():
    runs = rows("probe", "dtd", 4, {1: 1.0}, seconds={"fit": 4.0, "train": 0.0, "tune": 0.5,
                                                      "test": 99.0})  # fmt: skip
    assert cells(accuracy_table(runs, 4))["probe", "training, s"].mean == 4.5


@pytest.mark.parametrize(
    ("means", "best"),
    [
        ([61.0, 62.0, 60.0], [False, True, False]),
        ([61.04, 60.96, 60.0], [True, True, False]),  # both read 61.0
        ([61.04, 61.06], [False, True]),
        ([None, 61.0, 50.0], [None, True, False]),
        ([None, 61.0, None], [None, False, None]),  # nothing to compare with
        ([50.0, 50.0], [True, True]),
        ([], []),
    ],
)
def test_best_of_a_column(means, best):
    marked = mark_best([None if mean is None else Value(mean) for mean in means])
    assert [value and value.best for value in marked] == best


def test_bold_only_among_means_of_as_many_seeds():
    runs = rows("coop", "dtd", 4, {1: 60.0, 2: 62.0, 3: 64.0})
    runs += rows("plot", "dtd", 4, {1: 61.0, 2: 63.0, 3: 65.0})
    runs += rows("gallop", "dtd", 4, {1: 90.0})
    table = accuracy_table(runs, 4)
    text, latex = to_markdown(table), to_latex(table)
    assert "| plot | **63.0 ± 2.0** |" in text
    assert "| gallop | 90.0 (seed 1) |" in text
    assert r"gallop & $90.0$ (seed 1)" in latex
    assert r"plot & $\mathbf{63.0 \pm 2.0}$" in latex
    note = "Bold: the best of a column among cells of as many seeds as its most-seeded cell has."
    assert note in text
    assert note in latex
    assert note not in to_markdown(accuracy_table(runs[:-1], 4))
    assert "**" not in to_markdown(accuracy_table([*runs[:3], runs[-1]], 4))  # nothing to compare


def test_runs_of_other_code_have_a_dagger():
    runs = rows("coop", "dtd", 4, {1: 60.0, 2: 64.0})
    runs[1] = runs[1]._replace(other_code=True)
    runs += rows("plot", "dtd", 4, {1: 50.0, 2: 50.0})
    table = accuracy_table(runs, 4)
    assert "| coop | **62.0 ± 2.8**† |" in to_markdown(table)
    assert "| plot | 50.0 ± 0.0 |" in to_markdown(table)
    assert r"$\mathbf{62.0 \pm 2.8}^{\dagger}$" in to_latex(table)
    assert any("†" in note for note in table.notes)
    assert "†" not in "".join(accuracy_table(runs[:1], 4).notes)


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        ("a_b", r"a\_b"),
        ("50 %", r"50 \%"),
        ("R&D", r"R\&D"),
        ("#1 {x} $5", r"\#1 \{x\} \$5"),
        ("a\\b", r"a\textbackslash{}b"),
        ("~ ^", r"\textasciitilde{} \textasciicircum{}"),
        ("1–2 ± 3 †", r"1--2 $\pm$ 3 $^{\dagger}$"),
    ],
)
def test_latex_escapes(text, escaped):
    assert escape_latex(text) == escaped
    table = Table(text, ("method", text), ((text, Value(1.0, remark=text)),), (text,))
    written = to_latex(table)
    assert written.count(escaped) == 5
    assert text not in written.replace(escaped, "")


def test_latex_rows():
    written = to_latex(accuracy_table(RUNS, 4))
    assert r"\begin{tabular}{lrrrrr}" in written
    assert (
        r"my\_net & $\mathbf{64.0 \pm 0.1}$ & $70.0$ (seed 1) & $67.0$ (mixed seeds) & 1,000"
        in written
    )
    assert r"plot & -- & -- & -- & -- & -- \\" in written
    for rule in (r"\toprule", r"\midrule", r"\bottomrule"):
        assert written.count(rule) == 1


def test_markdown_keeps_a_bar_in_a_name_in_its_cell():
    written = to_markdown(Table("t", ("a|b", "c"), (("*x*", "_y_"),)))
    assert r"| a\|b | c |" in written
    assert r"| \*x\* | \_y\_ |" in written


def test_csv_has_a_line_a_run():
    runs = [*RUNS[:1], RUNS[-1]._replace(accuracy={"fused": 90.0, "global": 1 / 3})]
    table = list(csv.DictReader(io.StringIO(runs_to_csv(runs))))
    assert [row["accuracy_fused"] for row in table] == ["60.0", "90.0"]
    assert [row["accuracy_global"] for row in table] == ["", str(1 / 3)]
    assert [row["seconds_test"] for row in table] == ["1.0", "1.0"]
    assert table[0]["learned"] == "12345"


def test_summary_csv():
    table = list(csv.DictReader(io.StringIO(summary_to_csv(RUNS))))
    assert len(table) == 5
    first, last = table[0], table[-1]
    assert (first["mean"], first["std"], first["seeds"]) == ("64.0000", "4.0000", "1 2 3")
    assert (last["mean"], last["std"], last["num_seeds"]) == ("90.0000", "", "1")
