"""A run of two processes is the run of one: parameters, curves, accuracies, files, resuming."""

import json
import os
import re
from pathlib import Path

import pytest
import torch
from processes import together, torchrun
from tiny_runs import CLASSES, make_photos, read_result

from plp.checkpoints.checkpoint import load_checkpoint
from plp.cli import train
from plp.cli.options import run_tool
from plp.datasets import feature_store
from plp.engine import processes
from plp.engine.one_writer import only_writer
from plp.engine.processes import join, share_of_batch
from plp.errors import ConfigError

# Up to three runs of several processes end in one test; each has a limit of its own, which busy
# cores do not reach.
pytestmark = pytest.mark.timeout(900)

TESTS = Path(__file__).parents[1]
SHARED = "data['batch_size'] = 4\nselection = 'val'\ntrain_cfg['val_interval'] = 1\n"
SHARED += "report = True\n"
STOP = "custom_imports = dict(imports=['stop_hook'])\n" + (
    "custom_hooks = [dict(type='StopHook', epoch=2, rank=1)]\n"
)


@pytest.fixture(scope="module")
def odd_photos(tmp_path_factory):
    """Of which 9 are to validate and 19 to test: neither can be shared out evenly."""
    counts = dict(zip(CLASSES, (12, 13, 16), strict=True))
    return make_photos(tmp_path_factory.mktemp("data") / "insects", counts)


def argv_of(config: Path, data: Path, *flags: str) -> list[str]:
    source = ["--dataset", "folder", "--data-root", str(data), "--work-dir", "run"]
    return [str(config), *source, "--device", "cpu", *flags]


def two_processes(root: Path, *argv: str):
    """Train in two processes, in the folder that is current."""
    path = os.pathsep.join(map(str, (TESTS, root)))
    return torchrun(2, root / "tools/train.py", *argv, "--launcher", "pytorch", PYTHONPATH=path)


@pytest.fixture(scope="module")
def runs(root, config_with, odd_photos, tmp_path_factory):
    """Folders in which one process, and two, have run; and what the two have printed."""
    argv = argv_of(config_with(SHARED), odd_photos)
    with pytest.MonkeyPatch.context() as patch:
        one = tmp_path_factory.mktemp("one")
        patch.chdir(one)
        assert run_tool(train.main, argv) == 0
        two = tmp_path_factory.mktemp("two")
        patch.chdir(two)
        ended = two_processes(root, *argv)
    assert ended.returncode == 0, ended.stderr[-3000:]
    return one, two, ended.stdout


def curves(folder: Path) -> list[dict]:
    return [json.loads(line) for line in (folder / "run/curves.jsonl").read_text().splitlines()]


def assert_close_end(folder: Path, expected: Path) -> None:
    """The same run up to rounding: parts of a batch are summed in another order."""
    for name in ("model.safetensors", "best.safetensors"):
        found, other = (load_checkpoint(where / "run" / name) for where in (folder, expected))
        assert found.state.keys() == other.state.keys()
        for key, value in found.state.items():
            torch.testing.assert_close(value, other.state[key], rtol=0, atol=5e-5, msg=key)
        assert found.info["epoch"] == other.info["epoch"]
    assert len(curves(folder)) == len(curves(expected)) == 4
    for row, other in zip(curves(folder), curves(expected), strict=True):
        assert row == pytest.approx(other, abs=1e-4)
    one, other = read_result(folder / "run"), read_result(expected / "run")
    for key in ("accuracy", "per_class_accuracy", "num_test_images", "confusion", "validation"):
        assert one.get(key) == other.get(key), key


@pytest.mark.slow
def test_two_processes_end_where_one_does(runs):
    one, two, _ = runs
    assert_close_end(two, one)
    assert "2 processes, each with a part of every batch" in read_result(two / "run")["notes"]
    assert read_result(two / "run")["num_test_images"] % 2 == 1


@pytest.mark.slow
def test_only_the_first_process_writes_and_prints(runs):
    one, two, printed = runs
    files = [
        sorted(p.name for p in folder.rglob("*") if p.suffix != ".log" and p.is_file())
        for folder in (one, two)
    ]
    assert files[0] == files[1]
    assert len(list(two.rglob("*.log"))) == len(list(one.rglob("*.log")))
    assert [path.name for path in two.iterdir()] == ["run"]
    assert printed.count("test accuracy on") == 1
    assert printed.count("epoch 4: validation accuracy") == 1


@pytest.mark.slow
def test_an_error_in_one_process_ends_all_and_the_run_can_be_resumed(
    runs, config_with, odd_photos, tmp_path
):
    first, second = together(2, tmp_path, argv_of(config_with(SHARED + STOP), odd_photos))
    assert second.code == 1
    assert "StoppedError: before epoch 2" in second.printed
    assert first.code not in (0, None), "it had nobody to go on with"
    assert not (tmp_path / "run/result.json").exists()
    again = together(2, tmp_path, argv_of(config_with(SHARED), odd_photos, "--resume"))
    assert [one.code for one in again] == [0, 0], again
    assert read_result(tmp_path / "run")["resumed"]
    assert_close_end(tmp_path, runs[0])
    for name in ("model.safetensors", "best.safetensors"):
        resumed, unbroken = (load_checkpoint(f / "run" / name).state for f in (tmp_path, runs[1]))
        assert all(torch.equal(value, unbroken[key]) for key, value in resumed.items())


@pytest.mark.slow
def test_processes_share_the_encoding_of_features_on_disk(config_with, odd_photos, tmp_path):
    plain = "data['train_transform'] = dict(_delete_=True, type='ClipEval')\n"
    argv = argv_of(config_with(SHARED + plain), odd_photos, "--cfg-options")
    argv += [f"data.feature_cache={tmp_path / 'cache'}", "data.eval_batch_size=2"]
    ends = []
    for name in ("empty", "full"):
        (tmp_path / name).mkdir()
        ended = together(2, tmp_path / name, argv)
        assert [one.code for one in ended] == [0, 0], ended
        ends.append(ended[0].printed)
        shards = (tmp_path / "cache").rglob("*.safetensors")
        keys = [key for shard in shards for key in feature_store.keys_of(shard)]
        assert len(keys) == len(set(keys)), "an image was encoded twice"
    assert re.search(r"features of (\d+) images: \1 from the cache .+, 0 encoded", ends[1])
    assert_close_end(tmp_path / "full", tmp_path / "empty")


@pytest.mark.slow
def test_a_mistake_is_told_and_ends_all(root, config_with, odd_photos, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    argv = argv_of(config_with(SHARED), odd_photos, "--cfg-options", "data.batch_size=5")
    ended = two_processes(root, *argv)
    assert ended.returncode != 0
    assert "data.batch_size=5 cannot be shared out evenly among 2 processes" in ended.stderr
    assert "Traceback" not in ended.stderr.split("elastic")[0]


def test_a_batch_is_shared_out(monkeypatch):
    monkeypatch.setattr(processes, "get_world_size", lambda: 4)
    assert share_of_batch(32) == 8
    with pytest.raises(ConfigError, match=r"30 cannot be .* among 4 processes: take a multiple"):
        share_of_batch(30)


@pytest.mark.parametrize(
    ("launcher", "device", "environment", "message"),
    [
        ("pytorch", "cpu", {}, "this one was not: torchrun --nproc-per-node 2"),
        ("pytorch", "cuda:1", {}, "expected --device cpu or cuda with --launcher pytorch"),
        ("slurm", "cpu", {}, "--launcher slurm needs a GPU for each process. On CPUs: torchrun"),
        ("slurm", "cuda", {}, "started by srun, and this one was not: SLURM_PROCID is not set"),
        ("mpi", "cuda", {}, "started by mpirun, .* OMPI_COMM_WORLD_LOCAL_RANK is not set"),
        ("none", None, {"TORCHELASTIC_RUN_ID": "1"}, "add --launcher pytorch"),
    ],
)
def test_how_a_run_was_started_must_fit(monkeypatch, launcher, device, environment, message):
    others = ("SLURM_PROCID", "OMPI_COMM_WORLD_LOCAL_RANK")
    for name in ("RANK", "TORCHELASTIC_RUN_ID", *others):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ConfigError, match=message):
        join(launcher, device)


def test_one_process_joins_nobody(monkeypatch):
    monkeypatch.delenv("TORCHELASTIC_RUN_ID", raising=False)
    join("none")
    assert not torch.distributed.is_initialized()


@pytest.mark.slow
def test_processes_of_a_second_run_are_all_refused(runs, config_with, odd_photos, tmp_path):
    argv = argv_of(config_with(SHARED), odd_photos)
    with only_writer(tmp_path / "run", "run", "--work-dir"):
        ended = together(2, tmp_path, argv)
    assert [one.code for one in ended] == [2, 2], ended
    assert all("error: another run is running in 'run'" in one.printed for one in ended)
    assert not (tmp_path / "run").exists()
