"""What PlanDiagnosticsHook writes, against plans worked out by hand."""

import json
from types import SimpleNamespace

import pytest
import torch

from plp.hooks import PlanDiagnosticsHook
from plp.structures import Evidence


class _Learner:
    """A learner whose plans are uniform for class 0 and one-hot for class 1."""

    def __init__(self):
        uniform = torch.full((4, 2), 1 / 8)
        peak = torch.zeros(4, 2)
        peak[0] = 0.5
        self.plan = torch.stack([uniform, peak]).expand(2, 2, 4, 2)

    def data_preprocessor(self, batch):
        return batch

    def evidence(self, images):
        scores = torch.zeros(2, 2)
        pooled = Evidence(scores, scores[..., None], scores[..., None])
        local = Evidence(scores, scores[..., None], torch.zeros(2, 2, 4, 2), None, self.plan)
        return {"global": pooled, "local": local}


def _rows(tmp_path, labels, interval=1, epochs=1):
    runner = SimpleNamespace(model=_Learner(), work_dir=str(tmp_path), epoch=0)
    hook = PlanDiagnosticsHook(interval)
    batch = {"images": None, "labels": torch.tensor(labels)}
    for epoch in range(epochs):
        runner.epoch = epoch
        for step in range(2):
            hook.after_train_iter(runner, step, data_batch=batch)
    return [json.loads(line) for line in (tmp_path / "plans.jsonl").read_text().splitlines()]


def test_a_resumed_run_repeats_no_epoch(tmp_path):
    """The state of epoch 1 was the last that was saved; the run was killed in epoch 3."""
    _rows(tmp_path, [0, 0], epochs=3)
    runner = SimpleNamespace(work_dir=str(tmp_path), epoch=1)
    PlanDiagnosticsHook().before_train(runner)
    rows = [json.loads(line) for line in (tmp_path / "plans.jsonl").read_text().splitlines()]
    assert [row["epoch"] for row in rows] == [1]


def test_uniform_plans(tmp_path):
    (row,) = _rows(tmp_path, [0, 0])
    assert (row["epoch"], row["branch"]) == (1, "local")
    assert row["entropy"] == pytest.approx(1, abs=1e-6)
    assert row["distance_to_uniform"] == pytest.approx(0, abs=1e-6)


def test_plans_on_one_patch(tmp_path):
    (row,) = _rows(tmp_path, [1, 1])
    assert row["entropy"] == pytest.approx(1 / 3, abs=1e-6)  # log 2 / log 8
    assert row["distance_to_uniform"] == pytest.approx(0.75, abs=1e-6)


def test_only_true_classes_count(tmp_path):
    (row,) = _rows(tmp_path, [0, 1])
    assert row["distance_to_uniform"] == pytest.approx(0.375, abs=1e-6)


def test_interval(tmp_path):
    assert [row["epoch"] for row in _rows(tmp_path, [0, 0], interval=2, epochs=4)] == [1, 3]


def test_interval_below_one():
    with pytest.raises(ValueError, match="interval of 1 epoch"):
        PlanDiagnosticsHook(0)
