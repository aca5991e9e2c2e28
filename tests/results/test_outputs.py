"""Files made from rows: all there, the same every time, without a half-written one."""

import json
import sys

import pytest
from PIL import Image
from rows import rows, write_result

from plp.errors import DataError
from plp.results import Table, draw_accuracy_over_shots, read_run, save_figure, write_outputs
from plp.results.collect import collect_runs
from plp.results.figure import COLOURS

RUNS = [
    run
    for method, base in (("coop", 50.0), ("plot", 55.0))
    for dataset in ("dtd", "pets")
    for shots in (1, 16)
    for run in rows(method, dataset, shots, {1: base + shots, 2: base - shots})
]
NAMES = {
    "results.json", "table.md", "table.tex", "table.csv", "summary.csv",
    "accuracy_over_shots.png", "accuracy_over_shots.svg",
}  # fmt: skip


def test_all_files(tmp_path):
    files = write_outputs(tmp_path / "out", RUNS, extra={"code": "abc"}, notes=["Made up."])
    assert {file.name for file in files} == NAMES == {p.name for p in (tmp_path / "out").iterdir()}
    result = json.loads((tmp_path / "out" / "results.json").read_text())
    assert (result["schema"], result["code"], len(result["runs"])) == (1, "abc", len(RUNS))
    assert result["runs"][0]["accuracy"] == {"fused": 51.0}
    text = (tmp_path / "out" / "table.md").read_text()
    assert text.startswith("# Comparison\n\nMade up.\n")
    assert text.count("sample standard deviation") == 1  # said once, not under each table


def test_the_tables_say_with_which_options_and_what_is_missing(tmp_path):
    call = {
        "options": ["--amp bf16", "model.a='x\n y'"], "missing": ["a", "b", "c"],
        "failures": {"c": "no image today"},
    }  # fmt: skip
    write_outputs(tmp_path, RUNS, extra=call, notes=["Made up."])
    told = ["Options: `--amp bf16`, `model.a='x y'`", "Not there: 3 runs, 1 of them failed."]
    text = (tmp_path / "table.md").read_text()
    assert text.startswith("\n\n".join(["# Comparison", *told, "Made up."]))
    comments = [line for line in (tmp_path / "table.tex").read_text().splitlines() if "% " in line]
    assert comments[1:4] == [f"% {line}" for line in (*told, "Made up.")]
    assert json.loads((tmp_path / "results.json").read_text())["notes"] == ["Made up."]


def test_nothing_is_told_of_a_call_that_is_whole_or_unknown(tmp_path):
    write_outputs(tmp_path / "a", RUNS, extra={"options": [], "missing": [], "failures": {}})
    write_outputs(tmp_path / "b", RUNS)
    for name in ("table.md", "table.tex"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_the_same_rows_give_the_same_bytes(tmp_path):
    for name in ("a", "b"):
        write_outputs(tmp_path / name, RUNS)
    for name in NAMES:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_another_table_stands_behind_ours(tmp_path):
    published = Table("Published", ("method", "dtd"), (("coop", "69.9"),), ("Source: a paper.",))
    write_outputs(tmp_path, RUNS, more_tables=[published])
    text = (tmp_path / "table.md").read_text()
    assert text.index("16 shots") < text.index("## Published") < text.index("Source: a paper.")
    assert r"\caption{Published. Source: a paper.}" in (tmp_path / "table.tex").read_text()


def test_without_matplotlib_everything_else_is_written(tmp_path, monkeypatch, caplog):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    monkeypatch.setattr("logging.Logger.propagate", True, raising=False)
    files = write_outputs(tmp_path, RUNS)
    assert {file.name for file in files} == {name for name in NAMES if "shots" not in name}
    assert "pip install matplotlib" in caplog.text


def test_figure_has_a_panel_for_each_data_set_and_the_average(tmp_path):
    figure = draw_accuracy_over_shots(RUNS)
    shown = [axis for axis in figure.axes if axis.get_visible()]
    assert [axis.get_title() for axis in shown] == ["dtd", "pets", "average of 2"]
    assert [label.get_text() for label in figure.legends[0].get_texts()] == ["coop", "plot"]
    for axis in shown:
        assert [tick.get_text() for tick in axis.get_xticklabels()] == ["1", "16"]
    curves = [container.lines[0] for container in shown[0].containers]
    assert [list(curve.get_ydata()) for curve in curves] == [[50.0, 50.0], [55.0, 55.0]]
    assert curves[0].get_color() != curves[1].get_color()
    assert curves[0].get_marker() != curves[1].get_marker()
    bars = shown[0].containers[0].lines[2][0].get_segments()
    assert [top[1] - bottom[1] for bottom, top in bars] == pytest.approx([2 * 2**0.5, 32 * 2**0.5])
    save_figure(figure, tmp_path / "figure.png")
    with Image.open(tmp_path / "figure.png") as image:
        assert min(image.size) > 300


def test_one_seed_has_no_error_bar():
    figure = draw_accuracy_over_shots(rows("coop", "dtd", 4, {1: 50.0}))
    (segment,) = figure.axes[0].containers[0].lines[2][0].get_segments()
    assert len(segment) == 0


def test_many_methods_look_different():
    runs = [run for i in range(24) for run in rows(f"m{i}", "dtd", 4, {1: 50.0 + i})]
    handles = draw_accuracy_over_shots(runs).legends[0].legend_handles
    looks = {(h.get_color(), h.get_marker(), h.get_linestyle()) for h in handles}
    assert len(looks) == 24


def test_a_method_without_runs_is_not_in_the_legend():
    runs = rows("coop", "dtd", 4, {1: 50.0}) + rows("plot", "dtd", 4, {1: 60.0})
    figure = draw_accuracy_over_shots(runs, ("coop", "sotglp", "plot"))
    handles = figure.legends[0].legend_handles
    assert [handle.get_label() for handle in handles] == ["coop", "plot"]
    assert [handle.get_color() for handle in handles] == [COLOURS[0], COLOURS[2]], "by place"


def test_reading_a_run(tmp_path):
    run = read_run(write_result(tmp_path))
    assert (run.method, run.dataset, run.shots, run.seed) == ("coop/lite_16shot", "dtd", 4, 1)
    assert (run.learned, run.epochs, run.commit) == (10, 3, "abc")
    assert run.path == str(tmp_path)
    assert read_run(tmp_path / "result.json", "CoOp", "textures")[:2] == ("CoOp", "textures")


@pytest.mark.parametrize(
    ("entries", "part"),
    [
        ({"accuracy": {}}, "expected 'accuracy' to be object of percentages, with `fused`, got {}"),
        ({"accuracy": {"fused": 101}}, "got {'fused': 101}"),
        ({"accuracy": {"fused": float("nan")}}, "got {'fused': nan}"),
        ({"accuracy": None}, "got None"),
        ({"shots": "4"}, "expected 'shots' to be count, got '4'"),
        ({"seed": True}, "expected 'seed' to be count, got True"),
        ({"learned_parameters": {"a": 3}}, "expected 'learned_parameters'"),
    ],
)
def test_damaged_entries(tmp_path, entries, part):
    with pytest.raises(DataError) as caught:
        read_run(write_result(tmp_path, **entries))
    assert part in str(caught.value)
    assert "result.json" in str(caught.value)


@pytest.mark.parametrize("text", ["", '{"schema": 1', "[]", "3", "\x00"])
def test_damaged_file(tmp_path, text):
    (tmp_path / "result.json").write_text(text)
    with pytest.raises(DataError, match=r"result\.json"):
        read_run(tmp_path)


def test_no_result(tmp_path):
    with pytest.raises(DataError, match="cannot be read as a result"):
        read_run(tmp_path)


def test_collecting_a_tree(tmp_path):
    write_result(tmp_path / "a/b/seed1", seed=1)
    write_result(tmp_path / "a/c/seed2", seed=2)
    compared = write_result(tmp_path / "d", seed=1)
    (compared / "compare.json").write_text('{"method": "CoOp", "dataset": "textures"}')
    write_result(tmp_path / "set_aside/x", seed=3)
    runs, _, notes = collect_runs([tmp_path, tmp_path / "a"])
    assert [run[:4] for run in runs] == [
        ("CoOp", "textures", 4, 1),
        ("coop/lite_16shot", "dtd", 4, 1),
        ("coop/lite_16shot", "dtd", 4, 2),
    ]
    assert notes == ()


def test_collecting_tells_what_it_leaves_out(tmp_path):
    import os

    for name, age in (("old", 100), ("new", 200), ("older", 50)):
        os.utime(write_result(tmp_path / name) / "result.json", (age, age))
    write_result(tmp_path / "broken", accuracy={})
    runs, _, notes = collect_runs([tmp_path])
    assert [run.path for run in runs] == [str(tmp_path / "new")]
    told = "\n".join(notes)
    for name in ("old is older", "older is older", "broken"):
        assert name in told


def test_collecting_nothing(tmp_path):
    with pytest.raises(DataError, match="no finished run below"):
        collect_runs([tmp_path])
    with pytest.raises(DataError, match="no such folder"):
        collect_runs([tmp_path / "no"])
