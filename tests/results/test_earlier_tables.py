"""Tables of an earlier call are replaced by ones that hold as much, and kept otherwise."""

import json

from rows import rows, write_result

from plp.cli import collect
from plp.cli.options import run_tool
from plp.results import write_outputs

COOP = rows("coop", "dtd", 4, {1: 60.0, 2: 62.0})
PLOT = rows("plot", "dtd", 4, {1: 70.0, 2: 72.0})


def names_in(folder):
    return {path.name for path in folder.iterdir()}


def test_more_rows_replace_fewer(tmp_path):
    write_outputs(tmp_path, COOP)
    write_outputs(tmp_path, [*COOP, *PLOT])
    assert "set_aside" not in names_in(tmp_path)
    write_outputs(tmp_path, [*PLOT, *COOP])
    assert "set_aside" not in names_in(tmp_path)


def test_fewer_rows_or_other_numbers_keep_what_was_there(tmp_path):
    write_outputs(tmp_path, [*COOP, *PLOT], notes=["The first."])
    before = {n: (tmp_path / n).read_bytes() for n in names_in(tmp_path)}
    write_outputs(tmp_path, COOP)
    kept = tmp_path / "set_aside" / "tables"
    assert {n: (kept / n).read_bytes() for n in names_in(kept)} == before
    assert "plot" not in (tmp_path / "table.md").read_text()
    write_outputs(tmp_path, rows("coop", "dtd", 4, {1: 61.0, 2: 62.0}))
    assert "60.0" not in (tmp_path / "table.csv").read_text()
    assert "60.0" in (tmp_path / "set_aside" / "tables_2" / "table.csv").read_text()


def test_files_that_no_list_belongs_to_are_kept(tmp_path):
    (tmp_path / "table.md").write_text("my own table")
    write_outputs(tmp_path, COOP)
    assert (tmp_path / "set_aside/tables/table.md").read_text() == "my own table"
    (tmp_path / "results.json").write_text("{")
    write_outputs(tmp_path, COOP)
    assert (tmp_path / "set_aside/tables_2/results.json").read_text() == "{"


def test_collecting_another_tree_into_the_same_folder(tmp_path):
    for name in ("a", "b"):
        write_result(tmp_path / name / "run", config_file=f"configs/{name}/lite.py")
        argv = [str(tmp_path / name), "--out", str(tmp_path / "out")]
        assert run_tool(collect.main, argv) == 0
    assert "b/lite" in (tmp_path / "out/table.md").read_text()
    kept = tmp_path / "out/set_aside/tables"
    assert "a/lite" in (kept / "table.md").read_text()
    assert "a/lite" in (kept / "report.html").read_text()
    assert json.loads((kept / "results.json").read_text())["runs"]


def test_tables_of_a_protocol_are_kept_too(tmp_path):
    rows_there = [run._asdict() for run in PLOT]
    (tmp_path / "protocol.json").write_text(json.dumps({"runs": rows_there, "ood": []}))
    (tmp_path / "table.md").write_text("base and new")
    write_outputs(tmp_path, COOP)
    kept = tmp_path / "set_aside/tables"
    assert names_in(kept) == {"protocol.json", "table.md"}
    assert not (tmp_path / "protocol.json").exists()
