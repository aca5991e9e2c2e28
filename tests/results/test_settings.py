"""Runs of different settings never share a mean: they have rows of their own, or are refused."""

import json
import os

import pytest
from rows import ood_result, result_of, write_ood_result, write_result

from plp.cli import collect
from plp.cli.options import run_tool
from plp.errors import DataError
from plp.results import accuracy_table, read_run, summarise
from plp.results.collect import collect_runs
from plp.results.ood_run import read_ood_run
from plp.results.ood_tables import ood_tables
from plp.results.settings import settings_of

BASE = {"data": {"shots": 4}, "train_cfg": {"max_epochs": 30},
        "model": {"branches": {"local": {"aligner": {"epsilon": 0.1}}}}}  # fmt: skip


def config(**changes):
    """Return a config with dotted keys changed; `__` stands for a dot."""
    made = json.loads(json.dumps(BASE))
    for key, value in changes.items():
        *path, last = key.split("__")
        inner = made
        for name in path:
            inner = inner.setdefault(name, {})
        inner[last] = value
    return made


def methods_of(tree):
    found = collect_runs([tree])
    return [(run.method, run.seed) for run in found.runs], found.notes


@pytest.mark.parametrize(
    ("entries", "label"),
    [
        (dict(config=config(train_cfg__max_epochs=60)), "train_cfg.max_epochs=60"),
        (
            dict(config=config(model__branches__local__aligner__epsilon=0.01)),
            "model.branches.local.aligner.epsilon=0.01",
        ),
        (dict(precision="bf16"), "precision=bf16"),
        (dict(sampler="stratified"), "sampler=stratified"),
        (dict(selection="val"), "selection=val"),
        (dict(backbone_fingerprint="ef" * 20), "backbone weights=efefefefefef"),
        (dict(class_names=["banded", "spotted"]), "classes=2 ("),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_seeds_of_different_settings_are_rows_of_their_own(tmp_path, entries, label):
    write_result(tmp_path / "1", seed=1, config=config())
    write_result(tmp_path / "2", seed=2, **{"config": config()} | entries)
    rows, notes = methods_of(tmp_path)
    assert sorted(seed for _, seed in rows) == [1, 2]
    plain, other = (name for name, _ in sorted(rows, key=lambda row: row[1]))
    assert plain != other
    assert label in other
    (note,) = notes
    assert "was run with different settings" in note
    assert plain in note
    assert other in note
    table = accuracy_table(collect_runs([tmp_path]).runs, 4)
    assert len(table.rows) == 3  # two methods, and the test images


@pytest.mark.parametrize(
    "changes",
    [
        dict(data__num_workers=8), dict(data__feature_cache=True), dict(data__image_cache=512),
        dict(data__verify=False), dict(work_dir="elsewhere"), dict(report=False),
        dict(save_seconds=0.0), dict(randomness__seed=2), dict(dataset__root="/other/disk"),
        dict(model__backbone__pretrained="/other/clip.pt"), dict(data__batch=None),
        dict(data__views="epoch"), dict(data__on_error="stop"),
    ],
    ids=str,
)  # fmt: skip
def test_what_no_number_depends_on_is_no_difference(tmp_path, changes):
    write_result(tmp_path / "1", seed=1, config=config())
    write_result(tmp_path / "2", seed=2, config=config(**changes))
    rows, notes = methods_of(tmp_path)
    assert rows == [("coop/lite_16shot", 1), ("coop/lite_16shot", 2)]
    assert notes == ()


@pytest.mark.parametrize(("shots", "apart"), [(8, False), (16, True)])
def test_epochs_that_go_with_the_shots_are_no_difference(tmp_path, shots, apart):
    """Between runs of other shots; between seeds of the same shots they are one."""
    write_result(tmp_path / "1", seed=1, shots=16, config=config())
    recipe = {"train_cfg.max_epochs": 60}
    other = config(train_cfg__max_epochs=60)
    write_result(tmp_path / "2", seed=2, config=other, recipe=recipe, shots=shots)
    rows, _ = methods_of(tmp_path)
    assert len({method for method, _ in rows}) == (2 if apart else 1)


@pytest.mark.parametrize(("recipe", "apart"), [({"train_cfg.max_epochs": 60}, False), ({}, True)])
def test_between_data_sets_only_recipes_may_differ(tmp_path, recipe, apart):
    write_result(tmp_path / "1", config=config())
    other = config(train_cfg__max_epochs=60, dataset__type="Pets")
    write_result(tmp_path / "2", dataset="pets", config=other, recipe=recipe)
    rows, _ = methods_of(tmp_path)
    assert len({method for method, _ in rows}) == (2 if apart else 1)


def test_rows_of_equal_settings_merge_and_the_newest_counts(tmp_path):
    for name, age, accuracy in (("old", 100, 40.0), ("new", 200, 45.0)):
        folder = write_result(tmp_path / name, config=config(), accuracy={"fused": accuracy})
        os.utime(folder / "result.json", (age, age))
    different = write_result(tmp_path / "x", config=config(train_cfg__max_epochs=1))
    os.utime(different / "result.json", (300, 300))
    found = collect_runs([tmp_path])
    assert {run.accuracy["fused"] for run in found.runs} == {45.0, 50.0}
    assert len(found.runs) == 2
    assert "old is older than another run of the same" in found.notes[0]
    assert "(accuracy 40.00 and 45.00)" in found.notes[0]


def test_config_files_tell_variants_apart(tmp_path):
    for stem, arch in (("lite_16shot", "lite"), ("vitb16_16shot", "ViT-B-16")):
        folder = write_result(
            tmp_path / stem, config_file=f"configs/coop/{stem}.py",
            config=config(model__backbone__arch=arch, model__backbone__a=1, data__b=2),
        )  # fmt: skip
        (folder / "compare.json").write_text('{"method": "coop", "dataset": "dtd"}')
    assert [row for row, _ in methods_of(tmp_path)[0]] == [
        "coop [lite_16shot]", "coop [vitb16_16shot]",
    ]  # fmt: skip


def test_many_differences_are_cut_short_and_still_told_apart(tmp_path):
    for i in range(3):
        changes = {f"data__k{n}": i for n in range(9)}
        write_result(tmp_path / str(i), seed=i, config=config(**changes))
    rows, (note,) = methods_of(tmp_path)
    assert len({method for method, _ in rows}) == 3
    assert "and 1 more entries" in note
    assert all(len(method) < 120 for method, _ in rows)


def test_a_mean_of_different_settings_is_refused_with_both(tmp_path):
    runs = []
    for seed, n in ((1, 30), (2, 60)):
        settings = config(train_cfg__max_epochs=n)
        runs.append(read_run(write_result(tmp_path / str(seed), seed=seed, config=settings)))
    with pytest.raises(DataError) as caught:
        summarise(runs)
    said = str(caught.value)
    assert "coop/lite_16shot, dtd, 4 shots: a mean is of runs with equal settings" in said
    assert "has train_cfg.max_epochs=30" in said
    assert "has train_cfg.max_epochs=60" in said
    assert str(tmp_path / "1") in said


def ood_tree(tmp_path, **second):
    write_ood_result(tmp_path / "a/ood", seed=1)
    path = write_ood_result(tmp_path / "b/ood", seed=2) / "ood.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | second))
    return tmp_path


def test_ood_tests_of_another_temperature_share_no_mean(tmp_path):
    scores = ood_result()["scores"]
    cold = {name: {**score, "temperature": 0.5} for name, score in scores.items()}
    found = collect_runs([ood_tree(tmp_path, scores=cold)])
    assert len({run.method for run in found.ood}) == 2
    assert any("score.temperature=0.5" in run.method for run in found.ood)
    runs = [read_ood_run(tmp_path / name / "ood") for name in "ab"]
    with pytest.raises(DataError, match=r"score\.temperature not set.*score\.temperature=0\.5"):
        ood_tables(runs)


def test_ood_tests_of_equal_settings_share_one(tmp_path):
    found = collect_runs([ood_tree(tmp_path)])
    assert {run.method for run in found.ood} == {"coop/lite_16shot"}
    assert found.notes == ()


def test_the_tool_takes_a_method_with_all_its_settings(tmp_path):
    for seed, n in ((1, 30), (2, 60)):
        write_result(tmp_path / f"t/{seed}", seed=seed, config=config(train_cfg__max_epochs=n))
    argv = [str(tmp_path / "t"), "--out", str(tmp_path / "out"), "--methods", "coop/lite_16shot"]
    assert run_tool(collect.main, argv) == 0
    text = (tmp_path / "out/table.md").read_text()
    for n in (30, 60):
        assert f"| coop/lite_16shot [train_cfg.max_epochs={n}] |" in text
    rows = json.loads((tmp_path / "out/results.json").read_text())["runs"]
    assert len({row["settings"] for row in rows}) == 2
    header, *lines = (tmp_path / "out/table.csv").read_text().splitlines()
    assert header.endswith(",test_images,settings")
    assert {line.rsplit(",", 1)[1] for line in lines} == {row["settings"] for row in rows}


def test_options_that_not_all_methods_have_are_told(tmp_path):
    for name, options in (("coop", " --cfg-options data.views=1 report=False"), ("plot", "")):
        write_result(
            tmp_path / f"t/{name}", config_file=f"configs/{name}/lite.py", config=config(),
            command=f"python tools/train.py configs/{name}/lite.py --shots 4{options}",
        )  # fmt: skip
    assert run_tool(collect.main, [str(tmp_path / "t"), "--out", str(tmp_path / "out")]) == 0
    text = (tmp_path / "out/table.md").read_text()
    assert "Options of coop/lite: `data.views=1`." in text
    assert "Options of plot/lite: none." in text


def test_the_digest_is_of_the_settings_alone():
    one, two = settings_of(result_of()), settings_of(result_of(seed=2, accuracy={"fused": 1.0}))
    assert one.digest == two.digest
    assert len(one.digest) == 8
    assert settings_of(result_of(precision="bf16")).digest != one.digest


def test_folders_and_versions_that_differ_are_told(tmp_path):
    for seed, root, torch in ((1, "/a", "2.8.0"), (2, "/a", "2.8.1"), (3, "/b", "2.9.0")):
        write_result(
            tmp_path / str(seed), seed=seed, config=config(dataset__root=root),
            versions={"plp": "0.1", "torch": torch, "pillow": "13"},
        )  # fmt: skip
    found = collect_runs([tmp_path])
    assert {run.method for run in found.runs} == {"coop/lite_16shot"}
    folders, versions = found.notes
    assert folders.startswith("Runs on dtd were made from different folders")
    assert folders.endswith("/a (2 runs); /b (1 run).")
    assert "plp 0.1, torch 2.8, commit abc (2 runs)" in versions
    assert "plp 0.1, torch 2.9, commit abc (1 run)" in versions


def test_a_test_among_some_classes_is_no_test_among_all(tmp_path):
    for seed, classes in ((1, "same"), (2, "subset")):
        where = {"checkpoint": "a", "trained_on": "dtd", "classes": classes, "kind": "test"}
        write_result(tmp_path / str(seed), seed=seed, config=config(), **where)
    assert len({method for method, _ in methods_of(tmp_path)[0]}) == 2


def test_transport_that_has_not_converged_is_named_in_front_of_the_tables(tmp_path):
    for seed, share in ((1, 0.75), (2, 1.0)):
        solved = {"problems": 8, "converged": int(8 * share), "converged_share": share,
                  "worst_row_error": 0.1}  # fmt: skip
        write_result(tmp_path / str(seed), seed=seed, config=config(), transport={"local": solved})
    (note,) = collect_runs([tmp_path]).notes
    assert note.startswith("Transport of coop/lite_16shot has not converged in 1 run (")
    assert "25 % of the problems" in note
