import json

import pytest
import torch
from safetensors import safe_open
from tiny_runs import CLASSES, read_result

from plp.checkpoints.checkpoint import load_checkpoint
from plp.datasets import Folder, sample
from plp.registry import SCORES


def test_result_has_all_that_is_needed_to_compare_runs(trained, photos, root):
    result = read_result(trained)
    few = sample(Folder(photos).splits(), shots=4, seed=1)
    assert result["config"]["train_cfg"] == {"max_epochs": 4, "val_interval": 2}
    assert (result["dataset"], result["shots"], result["seed"]) == ("insects", 4, 1)
    assert (result["sampler"], result["split_hash"]) == ("exact", few.split_hash)
    assert result["class_names"] == list(CLASSES)
    assert result["images"] == {"train": 12, "val": 6, "test": 18}
    assert result["transforms"]["train"].startswith("FewShotTrain(")
    assert result["transforms"]["eval"].startswith("ClipEval(")
    assert {"python", "torch", "open_clip_torch", "mmengine", "numpy"} <= set(result["versions"])
    assert result["git_commit"] is None or len(result["git_commit"].removesuffix("-dirty")) == 40
    assert set(result["seconds"]) == {"fit", "train", "tune", "val", "test", "checks"}
    spent = result["processor_seconds"]
    assert 0 < spent["checks"] < spent["run"]
    assert result["seconds"]["train"] > 0
    assert result["peak_memory"]["process_mib"] > 100
    assert set(result["accuracy"]) == {"fused", "global", "local", "zero_shot"}
    assert set(result["per_class_accuracy"]) == set(CLASSES)
    mean = sum(result["per_class_accuracy"].values()) / len(CLASSES)  # six test images per class
    assert abs(mean - result["accuracy"]["fused"]) < 1e-3
    assert (result["epochs"], result["steps"], result["resumed"]) == (4, 12, False)
    assert result["validation"]["num_images"] == 6
    assert set(result["validation"]["accuracy"]) == set(result["accuracy"])


def test_curves_have_the_validation_accuracy_of_the_epochs_that_were_looked_at(trained):
    rows = [json.loads(line) for line in (trained / "curves.jsonl").read_text().splitlines()]
    assert [row["epoch"] for row in rows] == [1, 2, 3, 4]
    assert ["val_accuracy" in row for row in rows] == [False, True, False, True]  # val_interval=2
    last = read_result(trained)["validation"]["accuracy"]["fused"]
    assert rows[-1]["val_accuracy"] == pytest.approx(last, abs=1e-3)


def test_checkpoint_holds_learned_parameters_and_validation_scores(trained):
    path = trained / "model.safetensors"
    assert path.stat().st_size < 2**20
    result = read_result(trained)
    with safe_open(path, framework="pt") as file:
        shapes = {
            name: list(file.get_slice(name).get_shape()) for name in result["learned_parameters"]
        }
        others = sorted({*file.keys()} - {*shapes})
    scores = [name for name in SCORES.names() if not SCORES.get(name).needs_bias]
    assert others == [f"validation_scores.{name}" for name in scores]
    assert shapes == result["learned_parameters"]
    assert set(shapes) == {
        "branches.global.prompt.context",
        "branches.local.prompt.context",
        "branches.local.projection.weight",
    }
    saved = load_checkpoint(trained)
    assert saved.class_names == CLASSES
    assert saved.info["split_hash"] == result["split_hash"]
    assert saved.info["config"] == result["config"]
    assert {path.name for path in trained.iterdir() if path.is_file()} == {
        "model.safetensors", "result.json", "state.pth", "curves.jsonl",
    }  # fmt: skip


def test_test_tool_gives_the_accuracy_of_training(tool, tiny_config, photos, trained, tmp_path):
    out = tmp_path / "again.json"
    data = ("--dataset", "folder", "--data-root", photos)
    ended = tool("test", tiny_config, trained, *data, "--device", "cpu", "--out", out)
    assert ended.status == 0, ended.err
    again = json.loads(out.read_text())
    result = read_result(trained)
    for key in ("accuracy", "per_class_accuracy", "split_hash", "class_names", "num_test_images"):
        assert again[key] == result[key]
    assert f"{result['accuracy']['fused']:6.2f} %" in ended.out


@pytest.mark.slow
def test_bf16_trains_to_finite_numbers(train_tool, tmp_path):
    ended = train_tool("--amp", "bf16")
    assert ended.status == 0, ended.err
    assert read_result(tmp_path / "work")["precision"] == "bf16"
    saved = load_checkpoint(tmp_path / "work")
    assert all(value.dtype == torch.float32 for value in saved.state.values())
    assert all(value.isfinite().all() for value in saved.state.values())
    rows = [json.loads(line) for line in (tmp_path / "work/curves.jsonl").read_text().splitlines()]
    assert rows[-1]["loss"] < rows[0]["loss"]


def test_selection_restores_the_best_epoch(train_tool, tool, config_with, photos, tmp_path):
    select = "selection = 'val'\ntrain_cfg = dict(max_epochs=4, val_interval=1)\n"
    # Steps a hundred times as long in each epoch: the last epochs undo what the first learned.
    config = config_with(select + "param_scheduler = dict(type='ExponentialLR', gamma=100.0)\n")
    ended = train_tool(config=config)
    assert ended.status == 0, ended.err
    folder = tmp_path / "work"
    best, final = load_checkpoint(folder / "best.safetensors"), load_checkpoint(folder)
    told = [float(line.split()[-1]) for line in ended.out.splitlines() if "validation acc" in line]
    assert len(told) == 4
    assert best.info["epoch"] == told.index(max(told)) + 1 < 4
    assert best.info["val_accuracy"] == pytest.approx(max(told), abs=0.05)
    assert all(torch.equal(value, best.state[name]) for name, value in final.state.items())
    flags = ("--dataset", "folder", "--data-root", photos, "--device", "cpu")
    tested = tool("test", config, folder / "best.safetensors", *flags)
    fused = read_result(folder)["accuracy"]["fused"]
    assert f"{fused:6.2f} %" in tested.out
    assert final.info["epoch"] == best.info["epoch"]


def test_selection_by_epochs_that_are_never_validated_is_refused(train_tool, config_with, tmp_path):
    config = config_with("selection = 'val'\ntrain_cfg = dict(max_epochs=2, val_begin=3)\n")
    told = train_tool(config=config).told()
    assert "with train_cfg.val_begin=3 none of 2 is" in told
    assert not (tmp_path / "work").exists()


@pytest.mark.slow
def test_runs_of_one_seed_are_the_same_and_of_another_are_not(train_tool, trained, tmp_path):
    first = load_checkpoint(trained).state
    for seed, same in ((1, True), (2, False)):
        work_dir = tmp_path / str(seed)
        assert train_tool("--seed", seed, work_dir=work_dir).status == 0
        state = load_checkpoint(work_dir).state
        assert all(torch.equal(value, first[name]) for name, value in state.items()) == same
