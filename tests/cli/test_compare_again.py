"""A second comparison in one folder: what stood in the tables stays, settings never mix."""

import json

import pytest
from tiny_runs import read_result

from plp.cli import compare
from plp.cli.options import run_tool
from plp.hooks import ProgressHook


@pytest.fixture
def compared(config_with, photos, tmp_path, capsys):
    """Compare in this process; return what was said, the rows and the table."""
    methods = {"one": config_with(), "two": config_with(), "none": config_with(UNTRAINED)}

    def run(*flags, method="one", seeds=(1,), epochs=1, status=0):
        out = tmp_path / "out"
        asked = [methods[name] for name in method.split()]
        argv = ["--methods", *asked, "--datasets", f"mine={photos}", "--shots", 1, "--seeds",
                *seeds, "--out", out, "--device", "cpu", "--jobs", 0,
                "--cfg-options", f"train_cfg.max_epochs={epochs}", *flags]  # fmt: skip
        capsys.readouterr()
        try:
            ended = run_tool(compare.main, list(map(str, argv)))
        except SystemExit as end:
            ended = end.code
        said = "".join(capsys.readouterr())
        assert ended == status, said
        return said, rows_of(out), (out / "table.md").read_text(encoding="utf-8")

    run.names = {name: f"{path.parent.name}/tiny" for name, path in methods.items()}
    return run


UNTRAINED = "train_cfg = dict(max_epochs=0, _delete_=True)\n"


def rows_of(out):
    rows = json.loads((out / "results.json").read_text(encoding="utf-8"))["runs"]
    return sorted((row["method"], row["seed"], row["epochs"]) for row in rows)


@pytest.mark.slow
def test_a_narrower_call_keeps_what_stood_in_the_tables(compared, tmp_path):
    one, two = compared.names["one"], compared.names["two"]
    compared(seeds=(1, 2))
    said, rows, table = compared(method="two")
    assert rows == sorted([(one, 1, 1), (one, 2, 1), (two, 1, 1)])
    assert "2 runs of earlier calls in this folder stand in the tables too" in table
    assert f"| {one} |" in table
    assert "Options: `train_cfg.max_epochs=1`" in table
    assert not (tmp_path / "out" / "set_aside").exists()
    assert "kept in" not in said


@pytest.mark.slow
def test_seeds_of_other_epochs_have_rows_of_their_own(compared):
    name = compared.names["one"]
    compared(seeds=(1,))
    said, rows, table = compared(seeds=(2,), epochs=2)
    old, new = (f"{name} [train_cfg.max_epochs={n}]" for n in (1, 2))
    assert rows == [(old, 1, 1), (new, 2, 2)]
    assert f"{name} was run with different settings" in table
    assert "share no mean" in table
    assert f"Options of {old}: `train_cfg.max_epochs=1`." in table
    assert f"Options of {new}: `train_cfg.max_epochs=2`." in table
    assert "±" not in table.split("| method |")[1].split("\n\n")[0]
    assert "failed" not in said


def test_the_same_cell_anew_says_what_was_and_keeps_the_tables(compared, tmp_path):
    compared(seeds=(1,))
    said, rows, _ = compared(seeds=(1,), epochs=2)
    assert rows == [(compared.names["one"], 1, 2)]
    assert "1 run made anew, what stood there is kept in set_aside: changed since: config" in said
    assert "train_cfg.max_epochs=1; now train_cfg.max_epochs=2" in said
    kept = tmp_path / "out" / "set_aside" / "tables"
    assert rows_of(kept) == [(compared.names["one"], 1, 1)]
    assert (kept / "table.md").is_file()
    assert (kept / "report.html").is_file()


@pytest.mark.slow
def test_a_method_that_trains_nothing_runs_without_the_option(compared):
    none, one = compared.names["none"], compared.names["one"]
    said, rows, table = compared(method="one none", seeds=(1, 2), epochs=2)
    assert rows == sorted([(one, 1, 2), (one, 2, 2), (none, 1, 0), (none, 2, 0)])
    told = f"{none} trains nothing (max_epochs is 0 in its config) and runs without train_cfg."
    told += "max_epochs=2."
    assert said.count(told) == 1
    assert table.count(told) == 1
    assert f"Options of {none}: none." in table


@pytest.mark.slow
def test_seconds_of_a_resumed_run_add_up(compared, tmp_path, monkeypatch):
    """The first start sleeps in its two epochs; the second does not, and has their seconds."""
    import time

    after = ProgressHook.after_train_epoch

    def interrupt(hook, runner):
        after(hook, runner)
        time.sleep(1.0)
        if runner.epoch == 2:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(ProgressHook, "after_train_epoch", interrupt)
        with pytest.raises(FileNotFoundError):  # no table yet
            compared(epochs=4, status=130)
    _, rows, _ = compared(epochs=4)
    assert [row[2] for row in rows] == [4]
    (folder,) = {path.parent for path in (tmp_path / "out/runs").rglob("result.json")}
    result = read_result(folder)
    assert result["resumed"]
    assert 2.0 <= result["resumed_seconds"] <= result["seconds"]["train"]


def test_the_same_method_from_two_places_counts_a_seed_once(compared, tmp_path):
    """A copy of a finished run, as another variant of the same settings would leave it."""
    import shutil

    compared(seeds=(1,))
    (folder,) = {path.parent for path in (tmp_path / "out/runs").rglob("result.json")}
    shutil.copytree(folder, tmp_path / "out/runs/copy" / folder.name)
    said, rows, _ = compared(seeds=(1,))
    assert rows == [(compared.names["one"], 1, 1)]
    assert "there twice" not in said
