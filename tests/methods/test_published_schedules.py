"""KgCoOp's trainer of 2022-23: two cosine schedules on one optimiser are the squared cosine."""

import math

import pytest
import torch
from mmengine.optim import CosineAnnealingLR, OptimWrapper


def rates(schedules, epochs=100):
    """Return the rate of each epoch under equal cosine schedules."""
    parameter = torch.nn.Parameter(torch.zeros(1))
    wrapper = OptimWrapper(torch.optim.SGD([parameter], lr=0.002))
    made = [CosineAnnealingLR(wrapper, T_max=epochs) for _ in range(schedules)]
    found = []
    for _ in range(epochs):
        found.append(wrapper.get_lr()["lr"][0])
        wrapper.step()
        for schedule in made:
            schedule.step()
    return found


def test_two_equal_schedules_give_the_square():
    cosine = [(1 + math.cos(math.pi * epoch / 100)) / 2 for epoch in range(100)]
    assert rates(1) == pytest.approx([0.002 * c for c in cosine], rel=1e-6)
    assert rates(2) == pytest.approx([0.002 * c**2 for c in cosine], rel=1e-6)
    assert rates(2)[50] == pytest.approx(0.002 / 4)
