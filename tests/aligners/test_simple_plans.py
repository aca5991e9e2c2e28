"""Mean, uniform and max-sim as plans."""

import pytest
import torch

from plp.aligners import (
    MeanAligner,
    SinkhornAligner,
    max_sim_plan,
    mean_plan,
    uniform_plan,
)
from plp.errors import ConfigError

KEPT = torch.tensor([1, 2, 4])
RAGGED = torch.arange(4)[:, None] < KEPT


def test_mean_of_ragged_supports_is_the_mean_of_means():
    similarity = torch.rand(5, 4, 3)
    score = (mean_plan(similarity, RAGGED) * similarity).sum((1, 2))
    means = [similarity[:, :kept, n].mean(1) for n, kept in enumerate(KEPT)]
    torch.testing.assert_close(score, torch.stack(means).mean(0))


def test_mean_gives_every_prompt_its_share():
    plan = mean_plan(torch.rand(4, 3), RAGGED)
    torch.testing.assert_close(plan.sum(0), torch.full((3,), 1 / 3))
    torch.testing.assert_close(plan[:2, 1], torch.full((2,), 1 / 6))


def test_uniform_gives_every_pair_the_same():
    plan = uniform_plan(torch.rand(4, 3), RAGGED)
    torch.testing.assert_close(plan, RAGGED / 7)


def test_mean_and_uniform_agree_without_a_mask():
    similarity = torch.rand(2, 4, 3)
    torch.testing.assert_close(mean_plan(similarity), uniform_plan(similarity))


def test_mean_is_transport_at_a_large_epsilon():
    similarity = torch.rand(2, 4, 3)
    plan = SinkhornAligner(epsilon=1e4)(similarity)
    torch.testing.assert_close(plan, MeanAligner()(similarity), rtol=1e-3, atol=0)


def test_max_sim_score_is_the_mean_of_maxima():
    similarity = torch.rand(5, 4, 3)
    score = (max_sim_plan(similarity) * similarity).sum((1, 2))
    torch.testing.assert_close(score, similarity.amax(1).mean(1))


def test_max_sim_looks_at_the_support_only():
    similarity = torch.rand(5, 4, 3)
    score = (max_sim_plan(similarity, RAGGED) * similarity).sum((1, 2))
    maxima = [similarity[:, :kept, n].amax(1) for n, kept in enumerate(KEPT)]
    torch.testing.assert_close(score, torch.stack(maxima).mean(0))


def test_max_sim_shares_ties():
    plan = max_sim_plan(torch.tensor([[0.5], [0.5], [0.1]]))
    assert plan.flatten().tolist() == [0.5, 0.5, 0.0]


@pytest.mark.parametrize("make", [mean_plan, uniform_plan, max_sim_plan])
def test_no_pair_no_mass(make):
    plan = make(torch.rand(2, 4, 3), torch.zeros(4, 3, dtype=torch.bool))
    assert plan.abs().sum() == 0


@pytest.mark.parametrize("make", [mean_plan, uniform_plan, max_sim_plan])
def test_integers_are_refused(make, as_installed):
    with pytest.raises(ConfigError, match="expected floating-point similarities"):
        make(torch.ones(2, 2, dtype=torch.int64))
