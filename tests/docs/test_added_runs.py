"""Single runs of a comparison become the tables of docs/results."""

import csv
import importlib

import pytest

OLD = """\
method,dataset,shots,seed,learned,accuracy_fused,accuracy_global,seconds_train,commit
coop,dtd,16,1,8,50.0,50.0,3.0,aaaa
coop,dtd,16,2,8,54.0,54.0,3.0,aaaa
"""
NEW = """\
method,dataset,shots,seed,learned,accuracy_fused,accuracy_local,seconds_train,commit,other_code,path
plot,textile,1,3,9,33.5,33.5,4.0,bbbb,False,runs/somewhere
coop,dtd,16,2,8,60.0,,5.0,bbbb,False,runs/somewhere
"""


@pytest.fixture
def script(root, monkeypatch):
    monkeypatch.syspath_prepend(root / "docs")
    return importlib.import_module("add_runs")


def read(file):
    with file.open(newline="") as text:
        return list(csv.DictReader(text))


def test_runs_are_added_and_replaced(script, tmp_path):
    (tmp_path / "runs.csv").write_text(OLD)
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / "table.csv").write_text(NEW)
    script.add([tmp_path / "new"], tmp_path)
    runs = read(tmp_path / "runs.csv")
    assert [(row["method"], row["seed"], row["accuracy_fused"], row["commit"]) for row in runs] == [
        ("coop", "1", "50.0", "aaaa"), ("coop", "2", "60.0", "bbbb"), ("plot", "3", "33.5", "bbbb")
    ]  # fmt: skip
    assert "path" not in runs[0]
    assert runs[1]["accuracy_global"] == "", "of the run that was replaced"
    means = {
        row["method"]: (row["seeds"], row["mean"], row["std"])
        for row in read(tmp_path / "summary.csv")
    }
    assert means == {"coop": ("1 2", "55.0000", "7.0711"), "plot": ("3", "33.5000", "")}
    assert (tmp_path / "accuracy_over_shots.png").stat().st_size > 10_000


def test_the_means_in_docs_are_those_of_the_runs(script):
    rows = script.rows_of(script.RESULTS / "runs.csv")
    found = script.summary_to_csv([script.run_of(row) for row in script.merged(rows, [])])
    assert found == (script.RESULTS / "summary.csv").read_text(encoding="utf-8")
