"""Whole runs on a device: features that are kept, crops resized there, a run that was cut off."""

import json

import pytest
import torch
from stop_hook import StoppedError
from tiny_runs import read_result

from plp.checkpoints.checkpoint import load_checkpoint
from plp.transforms.crops import Crops

# Sums on a GPU may be rounded in another order each time.
EXACT = {"cpu": 0.0, "cuda": 1e-4}


def learned(folder):
    return load_checkpoint(folder).state


def assert_same_run(folder, other, tolerance):
    torch.testing.assert_close(learned(folder), learned(other), rtol=0, atol=tolerance)
    lines = [(path / "curves.jsonl").read_text().splitlines() for path in (folder, other)]
    for one, two in zip(*(map(json.loads, rows) for rows in lines), strict=True):
        assert one == pytest.approx(two, rel=max(tolerance, 1e-12))


@pytest.fixture
def run(train_tool, device, tmp_path):
    """Train on the device in a folder of that name; return it and what was printed."""

    def runner(name, *flags, **named):
        folder = tmp_path / name
        ended = train_tool(*flags, "--device", device, work_dir=folder, **named)
        assert ended.status == 0, ended.err
        return folder, ended.out + ended.err

    return runner


def test_kept_features_are_those_of_the_tower(run, device, tmp_path):
    flags = ("--cfg-options", "data.views=2")
    plain, _ = run("plain", *flags, "data.cache_features=True")
    cached = (*flags, f"data.feature_cache={tmp_path / 'features'}")
    first, told = run("first", *cached)
    assert "0 from the cache" in told
    again, told = run("again", *cached)
    assert ", 0 encoded" in told
    assert_same_run(again, first, EXACT[device])
    assert_same_run(again, plain, max(EXACT[device], 1e-5))  # other batches, other rounding


def test_crops_resized_on_the_device_train_alike(run, device, monkeypatch):
    """PIL may take the two passes in the other order; 12 steps at a rate of 0.05 stay close."""
    here, _ = run("here")
    resized, seen = Crops.resized, []

    def watched(crops, *arguments):
        seen.append(crops.pixels.device.type)
        return resized(crops, *arguments)

    monkeypatch.setattr(Crops, "resized", watched)
    there, _ = run("there", "--cfg-options", "data.augment=device")
    assert len(seen) == 12
    assert set(seen) == {device}
    for name, value in learned(there).items():
        assert (value - learned(here)[name]).abs().mean() < 0.01, name


def test_a_run_that_was_cut_off_ends_as_the_unbroken_one(
    run, train_tool, config_with, device, tmp_path
):
    unbroken, _ = run("unbroken")
    stopping = config_with(
        "custom_imports = dict(imports=['stop_hook'])\n"
        "custom_hooks = [dict(type='StopHook', epoch=2)]\n"
    )
    with pytest.raises(StoppedError):
        train_tool("--device", device, config=stopping, work_dir=tmp_path / "resumed")
    resumed, _ = run("resumed", "--resume")
    assert read_result(resumed)["resumed"]
    assert_same_run(resumed, unbroken, EXACT[device])
