"""What is no cost is refused in words: lists, arrays, numbers that are none."""

import numpy as np
import pytest
import torch

from plp.aligners import SinkhornAligner, partial_sinkhorn, sinkhorn, unbalanced_sinkhorn
from plp.errors import ConfigError

SOLVERS = {
    "sinkhorn": (sinkhorn, {}),
    "unbalanced_sinkhorn": (unbalanced_sinkhorn, {"rho_a": 0.5, "rho_b": 0.5}),
    "partial_sinkhorn": (partial_sinkhorn, {"mass": 0.5}),
}
GRADIENTS = ("detach", "envelope", "unroll", "implicit")


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("value", [[[0.0, 1.0], [1.0, 0.0]], np.eye(2), 3.0, None])
def test_a_cost_that_is_no_tensor(solver, value, as_installed):
    function, keywords = SOLVERS[solver]
    said = f"expected the cost as a tensor, got {type(value).__name__}. Use torch.as_tensor"
    with pytest.raises(TypeError, match=said):
        function(value, epsilon=0.1, **keywords)


@pytest.mark.parametrize(("name", "called"), [("a", "the marginal a"), ("b", "the marginal b"),
                                              ("mask", "the mask")])  # fmt: skip
def test_other_arguments_that_are_no_tensors(name, called, as_installed):
    with pytest.raises(TypeError, match=f"expected {called} as a tensor, got list"):
        sinkhorn(torch.zeros(2, 2), epsilon=0.1, **{name: [0.5, 0.5]})


def test_similarities_that_are_no_tensor(as_installed):
    with pytest.raises(TypeError, match="expected the similarities as a tensor, got ndarray"):
        SinkhornAligner()(np.eye(2))


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("gradient", GRADIENTS)
@pytest.mark.parametrize("value", [float("nan"), float("-inf")])
def test_costs_that_are_no_numbers(solver, gradient, value):
    function, keywords = SOLVERS[solver]
    cost = torch.rand(3, 2, 4)
    cost[1, 0, 2] = value
    with pytest.raises(ConfigError, match="expected finite costs"):
        function(cost, epsilon=0.1, gradient=gradient, **keywords)


def test_a_nan_that_the_mask_hides_is_no_mistake():
    cost = torch.rand(3, 4)
    cost[0, 0] = torch.nan
    mask = torch.ones(3, 4, dtype=torch.bool)
    mask[0, 0] = False
    assert bool(sinkhorn(cost, epsilon=0.1, mask=mask).plan.isfinite().all())


def test_infinite_costs_are_pairs_that_do_not_exist():
    cost = torch.rand(3, 4)
    cost[0, 0] = torch.inf
    plan = sinkhorn(cost, epsilon=0.1).plan
    assert plan[0, 0] == 0
    assert bool(plan.isfinite().all())
