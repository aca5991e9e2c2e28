"""A run with --amp fp16, which needs a GPU: here a CPU passes for one, with a scaler for CPUs."""

from functools import partial

import pytest
import torch
from mmengine.optim.optimizer import amp_optimizer_wrapper
from mmengine.runner import amp
from tiny_runs import read_result

from plp.checkpoints.checkpoint import load_checkpoint
from plp.engine import setup

RUN = ("--amp", "fp16")


@pytest.fixture(autouse=True)
def cpu_as_a_gpu(monkeypatch):
    """Let plp and mmengine take the CPU for a device that computes in float16."""
    monkeypatch.setattr(setup, "check_device", lambda device, precision: device)
    monkeypatch.setattr(amp_optimizer_wrapper, "is_cuda_available", lambda: True)
    scaler = partial(torch.amp.GradScaler, "cpu")
    monkeypatch.setattr(amp_optimizer_wrapper, "GradScaler", scaler)
    monkeypatch.setattr(amp, "autocast", lambda dtype: torch.autocast("cpu", dtype))


def scaler_of(folder):
    return torch.load(folder / "state.pth", weights_only=True)["optimizer"]["loss_scaler"]


def test_the_loss_is_scaled_and_what_is_learned_stays_float32(train_tool, trained, tmp_path):
    assert train_tool(*RUN).status == 0
    result = read_result(tmp_path / "work")
    assert result["precision"] == "fp16"
    assert scaler_of(tmp_path / "work")["scale"] >= 1024
    found, single = load_checkpoint(tmp_path / "work").state, load_checkpoint(trained).state
    for name, value in found.items():
        assert value.dtype == torch.float32
        assert (value - single[name]).abs().mean() < 0.01, name  # of 12 steps at a rate of 0.05
    for line, accuracy in result["accuracy"].items():
        assert accuracy == pytest.approx(read_result(trained)["accuracy"][line], abs=12)


def test_a_gradient_that_overflows_is_no_step(train_tool, monkeypatch, tmp_path):
    """A scale that float16 cannot hold is halved until it can, and nothing becomes NaN."""
    scaler = partial(torch.amp.GradScaler, "cpu", init_scale=2.0**40)
    monkeypatch.setattr(amp_optimizer_wrapper, "GradScaler", scaler)
    assert train_tool(*RUN, "--cfg-options", "train_cfg.max_epochs=2").status == 0
    assert scaler_of(tmp_path / "work")["scale"] < 2.0**40
    state = load_checkpoint(tmp_path / "work").state
    assert all(value.isfinite().all() for value in state.values())
