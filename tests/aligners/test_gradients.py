"""Gradient modes against finite differences and against each other."""

from functools import partial

import pytest
import torch
from torch.autograd import gradcheck, gradgradcheck

from plp.aligners import (
    PartialAligner,
    SinkhornAligner,
    UnbalancedSinkhornAligner,
    partial_sinkhorn,
    sinkhorn,
    unbalanced_sinkhorn,
)

torch.manual_seed(0)
COST = torch.rand(2, 5, 3, dtype=torch.float64)
WEIGHTS = torch.rand(2, 5, 3, dtype=torch.float64)
MASK = torch.ones(2, 5, 3, dtype=torch.bool)
MASK[0, 3:] = False
MASK[1, :, 2] = False

balanced = partial(sinkhorn, epsilon=0.2, tolerance=1e-15, max_iterations=200)
relaxed = partial(
    unbalanced_sinkhorn, epsilon=0.2, rho_a=0.2, rho_b=0.4, tolerance=1e-15, max_iterations=100
)
one_sided = partial(
    unbalanced_sinkhorn, epsilon=0.2, rho_a=0.0, rho_b=float("inf"), tolerance=1e-15
)
partly = partial(partial_sinkhorn, mass=0.6, epsilon=0.2, tolerance=1e-15, max_iterations=500)
SOLVERS = {"balanced": balanced, "relaxed": relaxed, "one-sided": one_sided, "partial": partly}


def fields(result):
    return result.plan, result.row_potential, result.column_potential, result.cost


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("mask", [None, MASK], ids=["whole", "masked"])
def test_implicit_gradient_of_every_field(solver, mask):
    def outputs(cost):
        return fields(SOLVERS[solver](cost, mask=mask, gradient="implicit"))

    assert gradcheck(outputs, COST.clone().requires_grad_())


@pytest.mark.parametrize("transposed", [False, True])
def test_implicit_gradient_of_the_marginals(transposed):
    """Through a softmax, because finite differences must keep the mass."""
    cost = COST.mT.contiguous() if transposed else COST
    logits = [torch.randn(2, n, dtype=torch.float64, requires_grad=True) for n in cost.shape[1:]]

    def outputs(a, b):
        return fields(balanced(cost, a=a.softmax(-1), b=b.softmax(-1), gradient="implicit"))

    assert gradcheck(outputs, tuple(logits))


def test_implicit_gradient_with_a_marginal_of_zero():
    a = torch.tensor([0.0, 0.3, 0.2, 0.1, 0.4], dtype=torch.float64)

    def plan(cost):
        return balanced(cost, a=a, gradient="implicit").plan

    assert gradcheck(plan, COST.clone().requires_grad_())


def test_unrolled_gradient_before_convergence():
    """Two iterations are a function of their own; its gradient must be exact too."""
    few = partial(sinkhorn, epsilon=0.2, tolerance=0.0, max_iterations=2, gradient="unroll")
    assert gradcheck(lambda cost: fields(few(cost)), COST.clone().requires_grad_())


def test_implicit_gradient_of_a_problem_in_two_parts():
    """The potentials of each part have a constant of their own, and the system another zero."""
    mask = torch.zeros(4, 4, dtype=torch.bool)
    mask[:2, :2] = mask[2:, 2:] = True
    cost = COST[:1, :4].repeat(1, 1, 2)[..., :4]

    def plan(cost):
        return balanced(cost, mask=mask, gradient="implicit").plan

    assert gradcheck(plan, cost.clone().requires_grad_())


def test_implicit_second_derivative():
    assert gradgradcheck(
        lambda cost: balanced(cost, gradient="implicit").plan, COST[:1].clone().requires_grad_()
    )


def test_envelope_gradient_of_the_cost():
    logits = torch.randn(2, 5, dtype=torch.float64, requires_grad=True)

    def value(cost, logits):
        return balanced(cost, a=logits.softmax(-1), gradient="envelope").cost

    assert gradcheck(value, (COST.clone().requires_grad_(), logits))


@pytest.mark.parametrize("solver", SOLVERS)
def test_envelope_gradient_is_the_plan(solver):
    cost = COST.clone().requires_grad_()
    result = SOLVERS[solver](cost, gradient="envelope")
    (gradient,) = torch.autograd.grad(result.cost.sum(), cost)
    torch.testing.assert_close(gradient, result.plan, rtol=1e-7, atol=1e-10)
    assert not result.plan.requires_grad


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("mask", [None, MASK], ids=["whole", "masked"])
def test_unroll_agrees_with_implicit_at_convergence(solver, mask):
    gradients = []
    for mode in ("unroll", "implicit"):
        cost = COST.clone().requires_grad_()
        result = SOLVERS[solver](cost, mask=mask, gradient=mode)
        loss = (result.plan * WEIGHTS).sum() + result.cost.sum() + result.row_potential.sum()
        gradients.append(torch.autograd.grad(loss, cost)[0])
    torch.testing.assert_close(*gradients, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("mode", ["detach", "envelope", "unroll", "implicit"])
def test_modes_agree_on_every_value(mode):
    reference, result = balanced(COST), balanced(COST, gradient=mode)
    for name in ("plan", "row_potential", "column_potential", "cost"):
        both = getattr(result, name).detach(), getattr(reference, name)
        torch.testing.assert_close(*both, rtol=1e-9, atol=1e-12)


def test_detach_carries_no_gradient():
    result = balanced(COST.clone().requires_grad_())
    assert not any(field.requires_grad for field in fields(result))


@pytest.mark.parametrize(
    "aligner",
    [
        SinkhornAligner(),
        PartialAligner(mass=0.4),
        UnbalancedSinkhornAligner(),
        UnbalancedSinkhornAligner(rho_prompts=0.3),
        UnbalancedSinkhornAligner(rho_patches=0.0, rho_prompts=0.0),
    ],
    ids=repr,
)
def test_a_detached_plan_is_a_constant(aligner):
    """Relaxed marginals of both sides too, where the plan is divided by its mass."""
    assert not aligner((1 - COST).requires_grad_()).requires_grad


def test_detached_plan_gives_the_score_the_gradient_of_the_entropic_objective():
    """What `SinkhornAligner` promises of the published gradient."""
    similarity = (1 - COST).requires_grad_()
    aligner = SinkhornAligner(epsilon=0.2, tolerance=1e-13, max_iterations=500)
    (detached,) = torch.autograd.grad((aligner(similarity) * similarity).sum(), similarity)
    value = -balanced(1 - similarity, gradient="envelope").cost.sum()
    (envelope,) = torch.autograd.grad(value, similarity)
    torch.testing.assert_close(detached, envelope, rtol=1e-8, atol=1e-12)


def test_implicit_gradient_under_autocast():
    """The backward pass, too, stays out of half precision."""
    gradients = []
    for enabled in (False, True):
        similarity = (1 - COST).float().requires_grad_()
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=enabled):
            plan = SinkhornAligner(gradient="implicit")(similarity)
            (plan * WEIGHTS.float()).sum().backward()
        gradients.append(similarity.grad)
    torch.testing.assert_close(*gradients, rtol=0, atol=0)
