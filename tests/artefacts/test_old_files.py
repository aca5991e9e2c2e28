"""What plp 0dbca55 stored is still read: checkpoint, state, result, feature cache."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from artefacts.make_artefacts import CLASSES, in_class_order, set_up

import plp
from plp.checkpoints.checkpoint import load_checkpoint
from plp.cli import train
from plp.cli.options import run_tool
from plp.datasets import FeatureStore
from plp.results.collect import collect_runs

OLD = Path(__file__).parent / "old"
DATA = ["--dataset", "folder", "--data-root", "photos", "--device", "cpu"]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with the weights, photos and config of the old run, where relative names lead."""
    set_up(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_checkpoint_predicts_what_it_predicted(folder):
    shutil.copyfile(OLD / "model.safetensors", folder / "model.safetensors")
    clf = plp.load("model.safetensors", device="cpu", pretrained="tiny.pt")
    paths = sorted((folder / "photos/test").rglob("*.png"))
    wanted = json.loads((OLD / "predictions.json").read_text())
    for path, one in zip(paths, clf.predict(paths, top_k=len(CLASSES)), strict=True):
        expected = wanted[f"{path.parent.name}/{path.name}"]
        assert in_class_order(one) == pytest.approx(expected, abs=1e-5)


def test_state_is_resumed_to_the_same_end(folder):
    shutil.copytree(OLD / "half", folder / "half")
    options = ["--cfg-options", "data.feature_cache=features", "data.views=1"]
    argv = ["config.py", *DATA, "--work-dir", "half", "--resume", *options]
    assert run_tool(train.main, argv) == 0
    own, old = load_checkpoint(folder / "half"), load_checkpoint(OLD)
    assert own.state.keys() == old.state.keys()
    for name, value in old.state.items():
        torch.testing.assert_close(own.state[name], value, atol=1e-6, rtol=1e-5)
    assert own.info["epoch"] == old.info["epoch"]
    rows = [json.loads(line) for line in (folder / "half/curves.jsonl").read_text().splitlines()]
    assert [row["epoch"] for row in rows] == [1, 2, 3, 4]


def test_result_is_collected(tmp_path):
    (tmp_path / "run").mkdir()
    shutil.copyfile(OLD / "result.json", tmp_path / "run/result.json")
    (run,) = collect_runs([tmp_path]).runs
    old = json.loads((OLD / "result.json").read_text())
    assert run.accuracy == old["accuracy"]


@pytest.mark.parametrize("store", sorted(path.name for path in (OLD / "features").iterdir()))
def test_cached_features_are_read(store, tmp_path):
    shutil.copytree(OLD / "features" / store, tmp_path / store)
    settings = json.loads((tmp_path / store / "settings.json").read_text())
    settings.pop("format")
    opened = FeatureStore(tmp_path, settings)
    assert opened.folder == tmp_path / store
    keys = sorted(opened._places)
    assert keys
    assert bool(opened.read(keys).pooled.isfinite().all())
