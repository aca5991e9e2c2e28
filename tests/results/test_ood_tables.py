"""Rows, tables and the plane of out-of-distribution detection."""

import json
from pathlib import Path

import pytest
from rows import ood_result, result_of, rows, write_ood_result, write_result

from plp.cli import collect
from plp.cli.options import run_tool
from plp.errors import DataError
from plp.results.collect import collect_runs
from plp.results.csv_text import ood_to_csv
from plp.results.ood_run import choose_score, read_ood_run
from plp.results.ood_tables import ood_tables
from plp.results.plane import draw_plane
from plp.results.write import write_outputs


def written(tmp_path, method="coop", seed=1, accuracy=50.0, **more):
    folder = tmp_path / f"{method}{seed}"
    inside = {"images": 20, "accuracy": {"fused": accuracy}, "calibration": {}}
    write_ood_result(folder, seed=seed, in_distribution=inside, **more)
    return read_ood_run(folder, method)


@pytest.fixture
def runs(tmp_path):
    return [
        written(tmp_path, "coop", 1, 60.0, near=(50.0, 80.0), far=(30.0, 90.0), scores=("MCM",)),
        written(tmp_path, "coop", 2, 62.0, near=(54.0, 82.0), far=(30.0, 90.0), scores=("MCM",)),
        written(tmp_path, "sotglp", 1, 70.0, near=(60.0, 70.0), far=(20.0, 95.0)),
        written(tmp_path, "sotglp", 2, 70.0, near=(60.0, 70.0), far=(20.0, 95.0)),
    ]


def test_a_row_has_the_score_of_the_published_methods(runs, tmp_path):
    assert [run.score for run in runs] == ["MCM", "MCM", "GlobalLocalMCM", "GlobalLocalMCM"]
    run = runs[0]
    assert run[:4] == ("coop", "dtd", 4, 1)
    assert (run.accuracy, run.groups) == (60.0, {"dogs": "near", "textures": "far"})
    assert run.sets["dogs"]["fpr95_id"] == 50.0
    assert run.sets["dogs"]["fpr95_ood"] == 57.0
    assert read_ood_run(tmp_path / "sotglp1", score="MCM").score == "MCM"
    with pytest.raises(DataError, match="has no score GlobalLocalMCM; it has: MCM"):
        read_ood_run(tmp_path / "coop1", score="GlobalLocalMCM")
    write_result(tmp_path / "run")
    with pytest.raises(DataError, match="expected a test of kind 'ood', got 'run'"):
        read_ood_run(tmp_path / "run/result.json")


def test_without_texts_the_usual_score_is_the_softmaxs():
    known = ["Energy", "Entropy", "MSP", "MaxLogit"]
    assert choose_score(Path("ood.json"), known, None) == "MSP"
    assert choose_score(Path("ood.json"), ["MCM", *known], None) == "MCM"
    with pytest.raises(DataError, match=r"no score MCM; it has: Energy, Entropy, MSP, MaxLogit"):
        choose_score(Path("ood.json"), known, "MCM")


def test_tables_average_over_seeds_and_mark_the_better_number(runs):
    fpr95, auroc = ood_tables(runs)
    assert fpr95.header == ("method, score", "accuracy", "dogs", "textures", "average of near",
                            "average of far", "average of all")  # fmt: skip
    coop, sotglp, images = fpr95.rows
    assert images[:2] == ("test images", "20")
    assert (coop[0], sotglp[0]) == ("coop, MCM", "sotglp, GL-MCM")
    assert (coop[1].mean, coop[2].mean, coop[6].mean) == (61.0, 52.0, 41.0)
    assert coop[2].std == pytest.approx(8**0.5)
    assert [cell.best for cell in coop[1:4]] == [False, True, False]  # lower FPR95 is better
    assert [cell.best for cell in sotglp[1:4]] == [True, False, True]
    assert [row[2].best for row in auroc.rows[:2]] == [True, False]
    assert [row[3].mean for row in auroc.rows[:2]] == [90.0, 95.0]
    assert any("OpenOOD's FPR95" in note for note in fpr95.notes)
    assert any("Near: dogs" in note for note in fpr95.notes)


def test_tables_show_fpr95_of_the_published_methods_and_not_openoods(runs):
    swapped = [
        run._replace(sets={
            name: found | {"fpr95_id": found["fpr95_ood"], "fpr95_ood": found["fpr95_id"]}
            for name, found in run.sets.items()
        })
        for run in runs
    ]  # fmt: skip
    right, wrong = (ood_tables(one)[0].rows[0][2].mean for one in (runs, swapped))
    assert (right, wrong) == (52.0, 59.0)


def test_a_test_by_other_code_has_a_dagger(runs, tmp_path):
    other = [runs[0]._replace(other_code=True), *runs[1:]]
    table = ood_tables(other)[0]
    assert [row[1].other_code for row in table.rows[:2]] == [True, False]
    assert any("another state of plp's code" in note for note in table.notes)
    assert not any("another state" in note for note in ood_tables(runs)[0].notes)
    assert read_ood_run(tmp_path / "coop1", other_code=True).other_code
    assert ood_to_csv(other).splitlines()[1].split(",")[-3] == "True"


def test_a_seed_counts_once(runs):
    with pytest.raises(DataError, match="a seed is there twice"):
        ood_tables([*runs, runs[0]])


def test_the_plane_has_a_mark_for_each_method_at_its_means(runs):
    figure = draw_plane(runs, ["sotglp", "coop"])
    left, right = figure.axes
    assert "FPR95 (ID)" in left.get_ylabel()
    assert "AUROC" in right.get_ylabel()
    assert "2 OOD sets" in left.get_ylabel()
    for axis, wanted in (
        (left, {(61.0, 41.0), (70.0, 40.0)}),
        (right, {(61.0, 85.5), (70.0, 82.5)}),
    ):
        marks = {tuple(float(v[0]) for v in box.lines[0].get_data()) for box in axis.containers}
        assert marks == wanted
    texts = [text.get_text() for text in figure.legends[0].get_texts()]
    assert texts == ["sotglp, GL-MCM", "coop, MCM"]
    near = draw_plane(runs, group="near").axes[0]
    assert "mean of near 1 OOD sets" in near.get_ylabel()


def test_outputs_with_ood(runs, tmp_path):
    accuracies = rows("coop", "dtd", 4, {1: 60.0, 2: 62.0})
    files = write_outputs(tmp_path / "out", accuracies, methods=["coop", "sotglp"], ood=runs)
    assert {"ood.csv", "plane.png", "plane.svg"} <= {file.name for file in files}
    text = (tmp_path / "out/table.md").read_text()
    assert text.index("Test accuracy") < text.index("FPR95 (ID) in percent, dtd, 4 shots")
    result = json.loads((tmp_path / "out/results.json").read_text())
    assert len(result["ood"]) == 4
    lines = (tmp_path / "out/ood.csv").read_text().splitlines()
    assert len(lines) == 1 + 4 * 5  # two sets and three averages each


@pytest.fixture
def tree(tmp_path):
    """A run with its OOD test, as tools/ood.py leaves it, and a test on another dataset."""
    compared = '{"method": "CoOp", "dataset": "textures"}'
    write_result(tmp_path / "tree/a")
    (tmp_path / "tree/a/compare.json").write_text(compared)
    write_ood_result(tmp_path / "tree/a/ood")
    config = {"model": {"backbone": {"arch": "ViT-B-16"}}}
    where = {"checkpoint": "a", "trained_on": "textures", "classes": "new", "dataset": "pets"}
    other = result_of(kind="test", config=config, **where)
    (tmp_path / "tree/b").mkdir()
    (tmp_path / "tree/b/result.json").write_text(json.dumps(other))
    return tmp_path / "tree"


def test_collecting_tests_and_ood_detection(tree):
    found = collect_runs([tree])
    assert [run[:3] for run in found.runs] == [
        ("CoOp", "textures", 4), ("coop/lite_16shot", "textures → pets", 4),
    ]  # fmt: skip
    assert [run[:5] for run in found.ood] == [("CoOp", "textures", 4, 1, "GlobalLocalMCM")]
    assert collect_runs([tree], "MCM").ood[0].score == "MCM"
    assert found.notes == ()


def test_collect_tool_shows_published_numbers_beside_runs_of_their_backbone(tree, tmp_path):
    def table(*flags):
        out = tmp_path / f"out{len(flags)}"
        assert run_tool(collect.main, [str(tree), "--out", str(out), *flags]) == 0
        return (out / "table.md").read_text()

    assert "Published by others" in table()  # a run of ViT-B/16 is there
    assert "Published" not in table("--no-published")
    assert "## FPR95 (ID) in percent, textures, 4 shots" in table("--methods", "CoOp")


def test_an_old_or_damaged_ood_result_is_left_out_and_told(tree):
    (tree / "a/ood/ood.json").write_text(json.dumps(ood_result() | {"schema_version": 1}))
    found = collect_runs([tree])
    assert not found.ood
    assert "version 1 of the result schema" in found.notes[0]
