"""`partial_sinkhorn` against POT's exact solver and its limits."""

import numpy as np
import ot
import pytest
import torch

from plp.aligners import PartialAligner, partial_sinkhorn, sinkhorn
from plp.errors import ConfigError

torch.manual_seed(0)
COST = torch.rand(3, 6, 4, dtype=torch.float64)
UNIFORM = np.full(6, 1 / 6), np.full(4, 1 / 4)


@pytest.mark.parametrize("mass", [0.3, 0.65, 0.9])
def test_small_epsilon_agrees_with_the_exact_solver(mass):
    result = partial_sinkhorn(COST, mass=mass, epsilon=3e-4, max_iterations=4000, tolerance=1e-9)
    assert bool(result.converged.all())
    for cost, plan in zip(COST.numpy(), result.plan.numpy(), strict=True):
        exact = ot.partial.partial_wasserstein(*UNIFORM, cost, m=mass)
        assert (plan * cost).sum() == pytest.approx((exact * cost).sum(), abs=1e-5)
        np.testing.assert_allclose(plan, exact, atol=1e-2)


@pytest.mark.parametrize("mass", [0.2, 0.5, 0.9])
@pytest.mark.parametrize("epsilon", [0.05, 1.0])
def test_mass_and_marginals(mass, epsilon):
    result = partial_sinkhorn(
        COST, mass=mass, epsilon=epsilon, tolerance=1e-10, max_iterations=5000
    )
    assert bool(result.converged.all())
    torch.testing.assert_close(
        result.plan.sum((1, 2)), torch.full((3,), mass, dtype=torch.float64), rtol=0, atol=1e-9
    )
    assert bool((result.plan.sum(2) <= 1 / 6 + 1e-9).all())
    assert bool((result.plan.sum(1) <= 1 / 4 + 1e-9).all())


def test_all_the_mass_gives_balanced_transport():
    result = partial_sinkhorn(COST, mass=1.0, epsilon=0.1, tolerance=1e-13)
    expected = sinkhorn(COST, epsilon=0.1, tolerance=1e-13, max_iterations=1000)
    torch.testing.assert_close(result.plan, expected.plan, rtol=0, atol=1e-10)


def test_the_plan_has_the_form_of_its_potentials():
    result = partial_sinkhorn(COST, mass=0.6, epsilon=0.2, tolerance=1e-13)
    potentials = result.row_potential[:, :, None] + result.column_potential[:, None]
    plan = ((potentials - COST) / 0.2).exp() / 24
    torch.testing.assert_close(result.plan, plan, rtol=1e-8, atol=1e-12)


def test_clutter_drops_out():
    similarity = torch.full((6, 4), 0.2)
    similarity[:3] = 0.9  # half of the patches match every prompt
    plan = PartialAligner(mass=0.4, epsilon=0.02)(similarity)
    assert float(plan[3:].sum()) < 1e-3
    assert float(plan.sum()) == pytest.approx(1.0)


def test_a_problem_is_the_same_to_the_bit_in_any_batch():
    similarity = torch.rand(50, 7, 3)
    together = PartialAligner()(similarity)
    torch.testing.assert_close(PartialAligner()(similarity[7:9]), together[7:9], rtol=0, atol=0)


@pytest.mark.parametrize("mass", [0.0, 1.5, float("nan")])
def test_mass_out_of_range(mass):
    with pytest.raises(ConfigError, match=r"expected mass in \(0, 1\]"):
        partial_sinkhorn(COST, mass=mass, epsilon=0.1)
    with pytest.raises(ConfigError, match=r"expected mass in \(0, 1\]"):
        PartialAligner(mass=mass)
