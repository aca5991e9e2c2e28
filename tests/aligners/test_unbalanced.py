"""`unbalanced_sinkhorn` against POT and its limits."""

import math
from functools import partial

import numpy as np
import ot
import pytest
import torch

from plp.aligners import UnbalancedSinkhornAligner, _operator, sinkhorn, unbalanced_sinkhorn
from plp.errors import ConfigError

torch.manual_seed(0)
COST = torch.rand(3, 7, 5, dtype=torch.float64)
A = torch.rand(3, 7, dtype=torch.float64).add(0.1)
B = torch.rand(3, 5, dtype=torch.float64).add(0.1)
A, B = A / A.sum(-1, keepdim=True), B / B.sum(-1, keepdim=True)

solve = partial(unbalanced_sinkhorn, epsilon=0.1, a=A, b=B, tolerance=1e-14, max_iterations=20_000)


@pytest.mark.parametrize("domain", ["scaling", "log"])
@pytest.mark.parametrize("rho", [(0.5, 1.5), (0.1, 0.1), (5.0, 0.3)])
def test_agrees_with_pot(monkeypatch, domain, rho):
    monkeypatch.setattr(_operator, "SCALING_LIMIT", {"scaling": 30.0, "log": -1.0}[domain])
    result = solve(COST, rho_a=rho[0], rho_b=rho[1])
    assert bool(result.converged.all())
    for i in range(3):
        expected = ot.unbalanced.sinkhorn_unbalanced(
            A[i].numpy(), B[i].numpy(), COST[i].numpy(), 0.1, rho,
            stopThr=1e-15, numItermax=50_000,
        )  # fmt: skip
        np.testing.assert_allclose(result.plan[i], expected, rtol=1e-8, atol=1e-13)


def test_marginals_have_the_form_of_the_potentials():
    result = solve(COST, rho_a=0.5, rho_b=1.5)
    rows = A * torch.exp(-result.row_potential / 0.5)
    columns = B * torch.exp(-result.column_potential / 1.5)
    torch.testing.assert_close(result.plan.sum(-1), rows, rtol=0, atol=1e-11)
    torch.testing.assert_close(result.plan.sum(-2), columns, rtol=0, atol=1e-11)
    assert float(result.row_error.max()) < 1e-11
    assert float(result.column_error.max()) < 1e-11


def kl(p, q):
    return (p * (p / q).log() - p + q).flatten(1).sum(1)


def test_the_cost_is_the_primal_value():
    result = solve(COST, rho_a=0.5, rho_b=1.5)
    plan = result.plan
    value = (
        (plan * COST).sum((1, 2))
        + 0.1 * kl(plan, A[:, :, None] * B[:, None])
        + 0.5 * kl(plan.sum(2), A)
        + 1.5 * kl(plan.sum(1), B)
    )
    torch.testing.assert_close(result.cost, value, rtol=1e-9, atol=1e-11)


def test_infinite_prices_give_balanced_transport():
    result = solve(COST, rho_a=math.inf, rho_b=math.inf)
    expected = sinkhorn(COST, epsilon=0.1, a=A, b=B, tolerance=1e-14, max_iterations=20_000)
    torch.testing.assert_close(result.plan, expected.plan, rtol=0, atol=0)


def test_large_prices_come_close_to_balanced_transport():
    result = solve(COST, rho_a=100.0, rho_b=math.inf, tolerance=1e-8)
    expected = sinkhorn(COST, epsilon=0.1, a=A, b=B, tolerance=1e-14, max_iterations=20_000)
    torch.testing.assert_close(result.plan, expected.plan, rtol=0, atol=1e-3)


def test_a_free_row_marginal_gives_a_softmax_over_the_rows():
    result = solve(COST, rho_a=0.0, rho_b=math.inf)
    expected = B[:, None] * (A.log()[:, :, None] - COST / 0.1).softmax(1)
    torch.testing.assert_close(result.plan, expected, rtol=1e-12, atol=1e-15)
    assert result.row_error.tolist() == [0.0] * 3


def test_two_free_marginals_give_the_kernel():
    result = solve(COST, rho_a=0.0, rho_b=0.0)
    expected = A[:, :, None] * B[:, None] * (-COST / 0.1).exp()
    torch.testing.assert_close(result.plan, expected, rtol=1e-12, atol=1e-15)


def test_a_dear_row_loses_mass():
    cost = COST.clone()
    cost[:, 0] += 3.0
    mass = solve(cost, rho_a=0.2, rho_b=math.inf).plan.sum(-1)[:, 0]
    assert bool((mass < 0.1 * A[:, 0]).all())


def test_the_aligner_divides_by_the_mass():
    aligner = UnbalancedSinkhornAligner(rho_patches=0.5, rho_prompts=0.5, tolerance=1e-9)
    plan = aligner((1 - COST).float())
    raw = unbalanced_sinkhorn(COST, epsilon=0.1, rho_a=0.5, rho_b=0.5, tolerance=1e-9).plan
    expected = raw / raw.sum((1, 2), keepdim=True)
    torch.testing.assert_close(plan.double(), expected, rtol=0, atol=1e-6)


def test_a_problem_is_the_same_to_the_bit_in_any_batch():
    similarity = torch.rand(50, 7, 3)
    for prices in ({}, {"rho_prompts": 0.5}):
        aligner = UnbalancedSinkhornAligner(**prices)
        together = aligner(similarity)
        torch.testing.assert_close(aligner(similarity[7:9]), together[7:9], rtol=0, atol=0)


@pytest.mark.parametrize("name", ["rho_a", "rho_b"])
def test_a_negative_price_is_refused(name):
    with pytest.raises(ConfigError, match=f"expected {name} >= 0"):
        unbalanced_sinkhorn(COST, epsilon=0.1, **{"rho_a": 1.0, "rho_b": 1.0, name: -1.0})
