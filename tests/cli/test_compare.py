"""tools/compare.py: what runs, what is skipped, what failed, and going on after an interruption."""

import csv
import json
import logging
import os
import re
import shutil

import pytest
from tiny_runs import read_result

from plp.cli import collect, compare
from plp.cli.options import run_tool
from plp.engine.one_writer import only_writer
from plp.errors import DataError
from plp.hooks import ProgressHook
from plp.sweeps.compare import key, worker
from plp.sweeps.compare.compare import only_one

pytestmark = pytest.mark.slow  # the default run keeps to minutes

QUICK = ("--cfg-options", "train_cfg.max_epochs=1")


@pytest.fixture
def compared(tiny_config, photos, tmp_path, capsys):
    """Compare in this process; return exit status, what was said, and the results."""

    def run(*flags, methods=(tiny_config,), shots=(1, 2), seeds=(1, 2), jobs=0, options=QUICK):
        argv = ["--methods", *methods, "--datasets", f"mine={photos}", "--shots", *shots,
                "--seeds", *seeds, "--out", tmp_path / "out", "--device", "cpu", "--jobs", jobs,
                *options, *flags]  # fmt: skip
        capsys.readouterr()
        try:
            status = run_tool(compare.main, list(map(str, argv)))
        except SystemExit as ended:
            status = ended.code
        said = capsys.readouterr()
        assert "Traceback" not in said.out + said.err
        return status, said.out + said.err, read_results(tmp_path / "out")

    return run


def read_results(out):
    path = out / "results.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None


def run_folders(out):
    return sorted(path.parent for path in (out / "runs").rglob("compare.json"))


def stamps(out):
    return {path: path.stat().st_mtime_ns for path in (out / "runs").rglob("result.json")}


def test_runs_what_is_missing_and_skips_what_is_done(compared, tmp_path, tiny_config):
    status, said, results = compared(seeds=(1,))
    assert status == 0, said
    assert "2 runs: 0 done already, 2 to run" in said
    method = f"{tiny_config.parent.name}/tiny"
    assert f"[1/2] {method} mine 2 shots seed 1: " in said
    assert f"[2/2] {method} mine 1 shot seed 1: " in said
    assert said.count("are held out for testing") == 1  # what is to be known of the data, once
    assert any(line.startswith("[1/2]") and "about" in line for line in said.splitlines())
    assert "learned parameters" not in said  # what a run says stands in its log
    assert "learned parameters" in (run_folders(tmp_path / "out")[0] / "log.txt").read_text()
    before = stamps(tmp_path / "out")
    status, said, results = compared(seeds=(1, 2))
    assert status == 0, said
    assert "4 runs: 2 done already, 2 to run" in said
    after = stamps(tmp_path / "out")
    assert before.items() <= after.items()
    assert len(results["runs"]) == 4
    assert "4 runs: 4 done already, 0 to run" in compared()[1]
    assert stamps(tmp_path / "out") == after


@pytest.mark.parametrize("jobs", [0, 1])
def test_encoding_and_short_classes_are_told_on_the_screen(compared, tmp_path, monkeypatch, jobs):
    monkeypatch.setenv("PLP_CACHE_DIR", str(tmp_path / "cache"))
    options = ("--cfg-options", "train_cfg.max_epochs=1", "data.views=1")
    status, said, results = compared(shots=(16,), seeds=(1, 2), jobs=jobs, options=options)
    assert status == 0, said
    lines = said.splitlines()
    (short,) = [line for line in lines if "fewer than 16" in line]
    assert short.startswith("mine, 16 shots: 3 of 3 classes with fewer than 16 training images:")
    assert any(re.search(r"mine 16 shots seed \d: encoding \d+ images \(kept on disk\)$", line)
               for line in lines)  # fmt: skip
    assert "learned parameters" not in said
    assert short in results["notes"]
    assert short in (tmp_path / "out" / "table.md").read_text(encoding="utf-8")
    assert "encoding" in (run_folders(tmp_path / "out")[0] / "log.txt").read_text()


def test_results_say_what_the_runs_say(compared, tmp_path):
    _, _, results = compared(seeds=(1,))
    assert (results["schema"], results["failures"], results["missing"]) == (1, {}, [])
    assert results["environment"]["device"] == "cpu"
    for row in results["runs"]:
        result = read_result(tmp_path / "out" / row["path"])
        for name in ("accuracy", "seconds", "seed", "shots", "epochs", "selection"):
            assert row[name] == result[name]
        assert row["learned"] > 0
        assert not row["other_code"]
        assert row["key"] == json.loads((tmp_path / "out" / row["path"] / "compare.json")
                                        .read_text())["key"]  # fmt: skip
    table = list(csv.DictReader((tmp_path / "out" / "table.csv").open()))
    assert [float(row["accuracy_fused"]) for row in table] == [
        row["accuracy"]["fused"] for row in results["runs"]
    ]


@pytest.mark.parametrize("part", ["config", "code"])
def test_a_change_sets_the_old_run_aside(compared, tmp_path, monkeypatch, part):
    compared(shots=(1,), seeds=(1,))
    (old,) = stamps(tmp_path / "out")
    mark = old.with_name("mark")
    mark.write_text("")
    if part == "code":
        monkeypatch.setattr(key, "code_digest", lambda: "0" * 64)
    options = (*QUICK, *(["data.batch_size=3"] if part == "config" else []))
    status, said, _ = compared("--dry-run", shots=(1,), seeds=(1,), options=options)
    assert status == 0
    assert f"(changed since: {part})" in said
    assert mark.exists()
    status, said, _ = compared("--table-only", shots=(1,), seeds=(1,), options=options)
    assert "1 of the runs asked for have no result yet" in said
    assert compared(shots=(1,), seeds=(1,), options=options)[0] == 0
    assert not mark.exists()
    aside = tmp_path / "out" / "set_aside" / old.parent.relative_to(tmp_path / "out")
    assert (aside / "mark").exists()
    assert compared(shots=(1,), seeds=(1,), options=options)[1].count("1 run: 1 done") == 1


def test_runs_of_other_code_are_reused_on_request_and_marked(compared, tmp_path, monkeypatch):
    compared(shots=(1,))
    before = stamps(tmp_path / "out")
    monkeypatch.setattr(key, "code_digest", lambda: "0" * 64)
    status, said, results = compared("--reuse-other-code", shots=(1,))
    assert status == 0
    assert "2 runs: 2 done already" in said
    assert stamps(tmp_path / "out") == before
    assert all(row["other_code"] for row in results["runs"])
    assert "†" in (tmp_path / "out" / "table.md").read_text()
    other = (*QUICK, "data.batch_size=3")
    _, said, _ = compared("--reuse-other-code", "--dry-run", shots=(1,), options=other)
    assert "2 runs: 0 done, 2 to run" in said


def test_a_job_that_fails_is_recorded_and_the_others_go_on(compared, tmp_path, monkeypatch):
    train = worker.train_and_report

    def refuse(config, choices, **keywords):
        if choices.seed == 1:
            raise DataError("no image today")
        return train(config, choices, **keywords)

    monkeypatch.setattr(worker, "train_and_report", refuse)
    status, said, results = compared(shots=(1,), seeds=(1, 2, 3))
    assert status == 1
    (title,) = results["failures"]
    assert results["failures"] == {title: "no image today"}
    assert results["missing"] == [title]
    assert f"failed: {title}: no image today" in said
    assert [row["seed"] for row in results["runs"]] == [2, 3]
    table = (tmp_path / "out" / "table.md").read_text(encoding="utf-8")
    assert "\n\nOptions: `train_cfg.max_epochs=1`\n\nNot there: 1 run, 1 of them failed.\n" in table
    logs = [folder / "log.txt" for folder in run_folders(tmp_path / "out")]
    assert "no image today" in logs[0].read_text()
    monkeypatch.setattr(worker, "train_and_report", train)
    status, said, results = compared(shots=(1,), seeds=(1, 2, 3))
    assert (status, results["failures"]) == (0, {})
    assert "3 runs: 2 done already, 1 to run" in said


def test_a_bug_in_a_component_is_a_failure_with_its_traceback_in_the_log(
    compared, tmp_path, monkeypatch
):
    def fail(*_, **__):
        raise ZeroDivisionError("of a component")

    monkeypatch.setattr(worker, "train_and_report", fail)
    status, said, results = compared(shots=(1,), seeds=(1,))
    assert status == 1
    assert "ZeroDivisionError: of a component (traceback in" in said
    assert results["runs"] == []
    assert not (tmp_path / "out" / "accuracy_over_shots.png").exists()
    (folder,) = run_folders(tmp_path / "out")
    assert "Traceback" in (folder / "log.txt").read_text()


def test_interrupted_and_resumed_to_the_same_numbers(compared, tmp_path, monkeypatch):
    whole = compared(shots=(2,), options=())[2]
    shutil.rmtree(tmp_path / "out")
    after_train_epoch = ProgressHook.after_train_epoch
    epochs = []

    def interrupt(hook, runner):
        epochs.append(runner.epoch)
        if len(epochs) == 7:  # epoch 3 of 4 of the second run
            raise KeyboardInterrupt
        after_train_epoch(hook, runner)

    monkeypatch.setattr(ProgressHook, "after_train_epoch", interrupt)
    status, said, results = compared(shots=(2,), options=())
    assert status == 130
    assert "interrupted; the same command goes on from here: 1 of 2 runs done\n" in said
    assert len(results["runs"]) == 1
    assert len(results["missing"]) == 1
    monkeypatch.setattr(ProgressHook, "after_train_epoch", after_train_epoch)
    _, said, _ = compared("--dry-run", shots=(2,), options=())
    assert "resume" in said
    status, said, results = compared(shots=(2,), options=())
    assert status == 0
    assert "2 runs: 1 done already, 1 to run" in said
    assert [row["accuracy"] for row in results["runs"]] == [
        row["accuracy"] for row in whole["runs"]
    ]
    resumed = [read_result(tmp_path / "out" / row["path"])["resumed"] for row in results["runs"]]
    assert resumed == [False, True]


def interrupted_run(compared, tmp_path, monkeypatch):
    """Interrupt the only run after two epochs; return its folder."""

    def interrupt(hook, runner):
        if runner.epoch == 2:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(ProgressHook, "after_train_epoch", interrupt)
        assert compared(shots=(2,), seeds=(1,), options=())[0] == 130
    (folder,) = run_folders(tmp_path / "out")
    assert (folder / "state.pth").exists()
    return folder


def test_a_damaged_state_starts_anew(compared, tmp_path, monkeypatch):
    folder = interrupted_run(compared, tmp_path, monkeypatch)
    (folder / "state.pth").write_bytes(b"half")
    status, said, _ = compared(shots=(2,), seeds=(1,), options=())
    assert status == 0, said
    assert not read_result(folder)["resumed"]
    assert (
        "cannot be resumed, starts anew"
        in (
            tmp_path / "out" / "set_aside" / folder.relative_to(tmp_path / "out") / "log.txt"
        ).read_text()
    )


def test_a_run_cut_off_under_other_code_starts_anew(compared, tmp_path, monkeypatch):
    folder = interrupted_run(compared, tmp_path, monkeypatch)
    monkeypatch.setattr(key, "code_digest", lambda: "0" * 64)
    flags = ("--reuse-other-code",)  # of whole runs, not of halves
    _, said, _ = compared("--dry-run", *flags, shots=(2,), seeds=(1,), options=())
    assert "cut off, and changed since: code" in said
    assert compared(*flags, shots=(2,), seeds=(1,), options=())[0] == 0
    assert not read_result(folder)["resumed"]


@pytest.mark.parametrize(
    "damage",
    [
        lambda folder: (folder / "result.json").write_text('{"schema": 1'),
        lambda folder: (folder / "result.json").write_text("{}"),
        lambda folder: (folder / "compare.json").unlink(),
        lambda folder: (folder / "compare.json").write_text("[]"),
        lambda folder: (folder / "compare.json").write_text('{"parts": {}, "key": "x"}'),
    ],
    ids=["half a result", "empty result", "no key", "no object", "wrong key"],
)
def test_a_damaged_result_is_not_done(compared, tmp_path, damage):
    compared(shots=(1,), seeds=(1,))
    (folder,) = run_folders(tmp_path / "out")
    wanted = read_result(folder)["accuracy"]
    damage(folder)
    assert "run again" in compared("--dry-run", shots=(1,), seeds=(1,))[1]
    status, said, results = compared(shots=(1,), seeds=(1,))
    assert status == 0
    assert "1 run: 0 done already, 1 to run" in said
    assert results["runs"][0]["accuracy"] == wanted


def test_changed_while_it_runs(compared, tmp_path, monkeypatch):
    """What a worker finds must be what the plan saw."""
    execute = worker.execute

    def later(job, keys):
        outdated = job._replace(parts={**job.parts, "data": "0" * 64})
        return execute(outdated, keys)._replace(job=job)

    monkeypatch.setattr("plp.sweeps.compare.pool.execute", later)
    status, said, _ = compared(shots=(1,), seeds=(1,))
    assert status == 1
    assert "data changed since the comparison began: start it again" in said
    assert not stamps(tmp_path / "out")


def test_dry_run_writes_nothing(compared, tmp_path):
    status, said, _ = compared("--dry-run")
    assert status == 0
    assert said.count("\nrun ") + said.startswith("run ") == 4
    assert "4 runs: 0 done, 4 to run" in said
    assert not (tmp_path / "out").exists()


def test_table_only_runs_nothing(compared, tmp_path):
    status, said, _ = compared("--table-only")
    assert status == 0
    assert "no results, no tables" in said
    assert not (tmp_path / "out").exists()
    compared(seeds=(1,))
    (tmp_path / "out" / "table.md").unlink()
    status, said, results = compared("--table-only")
    assert "2 of the runs asked for have no result yet" in said
    assert len(results["runs"]) == 2
    assert "–" not in (tmp_path / "out" / "table.md").read_text()


def test_a_second_comparison_in_the_same_folder_is_refused(compared, tmp_path):
    compared(shots=(1,), seeds=(1, 2))
    out = tmp_path / "out"
    before = {path.name: path.read_bytes() for path in out.iterdir() if path.is_file()}
    with only_one(out):
        status, said, _ = compared(shots=(1, 2), seeds=(1,))
    assert status == 2
    assert "another comparison is running in" in said
    assert not list((out / "runs").rglob("2shot*"))
    assert {path.name: path.read_bytes() for path in out.iterdir() if path.is_file()} == before


def test_a_run_that_somebody_else_goes_on_with_is_left_alone(compared, tmp_path):
    compared(shots=(1,), seeds=(1, 2))
    first, second = run_folders(tmp_path / "out")
    (first / "result.json").unlink()
    before = {path.name: path.read_bytes() for path in first.iterdir()}
    with only_writer(first, "run", "--work-dir"):
        status, said, results = compared("--cfg-options", "train_cfg.max_epochs=2", seeds=(1, 2))
        assert status == 1
        assert f"another run is running in '{first}': wait for it, or give another --out" in said
        assert len(results["failures"]) == 1
    assert {path.name: path.read_bytes() for path in first.iterdir()} == before
    assert read_result(second)["epochs"] == 2


def test_the_users_log_comes_back(compared):
    logger = logging.getLogger("plp")
    before = logger.handlers[:], logger.level
    compared(shots=(1,), seeds=(1,))
    assert logger.handlers == before[0]


@pytest.mark.parametrize(
    ("flags", "part"),
    [
        (("--jobs", "-1"), "expected --jobs to be an integer >= 0, got -1"),
        (("--shots", "0"), "expected --shots to be an integer >= 1"),
        (("--seeds", "1", "1"), "each once, got [1, 1]"),
        (("--methods", "no_such"), "method 'no_such' is not known"),
        (("--datasets", "no_such"), "'no_such' is not registered"),
        (("--cfg-options", "data.shots"), "expected KEY=VALUE"),
        (("--device", "gpu"), "'gpu' is not there"),
    ],
)
def test_wrong_flags(compared, tmp_path, flags, part):
    status, said, _ = compared(*flags)
    assert status == 2
    assert said.startswith("error: ")
    assert part in said
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "argv",
    [
        ["--methods", "--datasets", "textile", "--shots", "1"],
        ["--methods", "x", "--datasets", "textile", "--shots", "one"],
        ["--datasets", "textile", "--shots", "1"],
        ["--methods", "x", "--datasets", "textile", "--shots", "1", "--amp", "fp8"],
    ],
)
def test_flags_that_argparse_refuses(argv, capsys):
    with pytest.raises(SystemExit) as ended:
        run_tool(compare.main, argv)
    assert ended.value.code == 2
    assert "Traceback" not in capsys.readouterr().err


def test_collecting_what_was_compared(compared, tmp_path, tiny_config, capsys):
    _, _, results = compared(seeds=(1,))
    argv = [str(tmp_path / "out"), "--out", str(tmp_path / "collected")]
    assert run_tool(collect.main, argv) == 0
    collected = read_results(tmp_path / "collected")
    name = f"{tiny_config.parent.name}/tiny"
    assert {(row["method"], row["dataset"]) for row in collected["runs"]} == {(name, "mine")}
    assert sorted(row["accuracy"]["fused"] for row in collected["runs"]) == sorted(
        row["accuracy"]["fused"] for row in results["runs"]
    )
    capsys.readouterr()
    assert run_tool(collect.main, [*argv, "--methods", "gallop"]) == 2
    assert "--methods: no runs of gallop. There are: " in capsys.readouterr().err
    assert run_tool(collect.main, [str(tmp_path / "no"), *argv[1:]]) == 2


@pytest.mark.parametrize("name", ["compare", "collect"])
def test_the_scripts_show_help(root, name):
    import subprocess
    import sys

    ended = subprocess.run(
        [sys.executable, f"tools/{name}.py", "--help"],
        cwd=root, capture_output=True, text=True, timeout=120, check=False, env=dict(os.environ),
    )  # fmt: skip
    assert ended.returncode == 0
    assert "--out" in ended.stdout


def test_a_data_root_that_is_not_utf8_is_refused_before_anything_runs(
    tool, tiny_config, photos, tmp_path
):
    root = shutil.copytree(photos, os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9"))
    ended = tool(
        "compare", "--methods", tiny_config, "--datasets", f"folder={root}", "--shots", 1,
        "--seeds", 1, "--out", tmp_path / "out", "--device", "cpu", "--jobs", 0,
    )  # fmt: skip
    assert r"caf\udce9', is not valid UTF-8" in ended.told()
    assert not (tmp_path / "out").exists()
