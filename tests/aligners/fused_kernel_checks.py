"""The fused kernel against the plain path, by Triton's interpreter on the CPU.

`test_fused.py` runs this file in a process of its own: Triton reads TRITON_INTERPRET once, when a
kernel is defined.
"""

from functools import partial

import pytest
import torch

from plp.aligners import (
    PartialAligner,
    SinkhornAligner,
    UnbalancedSinkhornAligner,
    partial_sinkhorn,
    sinkhorn,
    unbalanced_sinkhorn,
)
from plp.aligners._fused import fused_entropic_transport
from plp.aligners._iterations import CHECK_EVERY
from plp.errors import ConfigError

# Rounding may put a problem on the other side of its tolerance, and so one look later or earlier.
FIELDS = {
    "plan": 2e-6, "row_potential": 1e-5, "column_potential": 1e-5, "row_error": 5e-6,
    "column_error": 2e-6, "iterations": CHECK_EVERY, "converged": 0, "cost": 5e-6,
}  # fmt: skip
SIZES = [(10, 4), (7, 3), (196, 4), (1, 1), (1, 5), (4, 130)]


def problems(count: int, K: int, N: int, spread: float = 0.5, zeros: bool = False):
    generator = torch.Generator().manual_seed(K * 1000 + N)
    draw = partial(torch.rand, generator=generator)
    cost, a, b = spread * draw(count, K, N), draw(count, K) + 0.1, draw(count, N) + 0.1
    if zeros:
        a[:, 1::3], b[:, 1::2] = 0.0, 0.0
    return cost, a / a.sum(-1, keepdim=True), b / b.sum(-1, keepdim=True)


def require_same(solve, *inputs, **keywords):
    """The fused solution, after a comparison of every field with the plain one."""
    plain = solve(*inputs, implementation="plain", **keywords)
    fused = solve(*inputs, implementation="fused", **keywords)
    for name, atol in FIELDS.items():
        both = getattr(fused, name), getattr(plain, name)
        torch.testing.assert_close(*both, rtol=0, atol=atol, msg=lambda m, n=name: f"{n}: {m}")
    return fused


@pytest.fixture
def calls(monkeypatch):
    """How often the kernel is asked, so that a comparison is not of the plain path with itself."""
    from plp.aligners import _entropic

    seen = []
    monkeypatch.setattr(
        _entropic,
        "fused_entropic_transport",
        lambda *inputs: (seen.append(inputs[0].shape), fused_entropic_transport(*inputs))[1],
    )
    return seen


@pytest.mark.parametrize("spread", [0.5, 6.0], ids=["narrow", "wide"])
@pytest.mark.parametrize(("K", "N"), SIZES)
def test_agrees_with_the_plain_path(calls, K, N, spread):
    cost, a, b = problems(37 if K * N < 100 else 3, K, N, spread)
    fused = require_same(sinkhorn, cost, epsilon=0.1, a=a, b=b, max_iterations=30)
    assert bool(fused.converged.all()) or spread > 1
    assert len(calls) == 1


@pytest.mark.parametrize("spread", [0.5, 6.0], ids=["narrow", "wide"])
def test_stops_where_the_plain_path_stops(spread):
    """To the iteration, at a tolerance that rounding does not decide."""
    cost, a, b = problems(35, 10, 4, spread)
    solve = partial(sinkhorn, cost, epsilon=0.1, a=a, b=b, tolerance=1e-3)
    plain, fused = solve(implementation="plain"), solve(implementation="fused")
    assert torch.equal(fused.iterations, plain.iterations)
    assert torch.equal(fused.converged, plain.converged)
    assert fused.iterations.unique().numel() >= 2


def test_agrees_where_a_tile_holds_both_domains():
    cost, a, b = problems(40, 10, 4)
    cost[::3] *= 12
    fused = require_same(sinkhorn, cost, epsilon=0.1, a=a, b=b)
    assert fused.iterations.unique().numel() > 3  # problems stop at different times


def test_agrees_on_uniform_marginals_and_few_iterations():
    cost = problems(40, 10, 4, 3.0)[0]
    fused = require_same(sinkhorn, cost, epsilon=0.1, max_iterations=7)
    assert not bool(fused.converged.all())
    require_same(sinkhorn, cost, epsilon=0.1, max_iterations=1)


@pytest.mark.parametrize("spread", [0.5, 6.0], ids=["narrow", "wide"])
def test_agrees_on_marginals_of_zero(spread):
    cost, a, b = problems(20, 10, 4, spread, zeros=True)
    fused = require_same(sinkhorn, cost, epsilon=0.1, a=a, b=b)
    assert fused.plan[a == 0].abs().sum() == 0


@pytest.mark.parametrize("spread", [0.5, 6.0], ids=["narrow", "wide"])
def test_agrees_on_masks(spread):
    cost = problems(6, 7, 3, spread)[0]
    mask = torch.ones_like(cost, dtype=torch.bool)
    mask[0, 4:] = False  # fewer rows
    mask[1, :, 1] = False  # fewer columns
    mask[2] = torch.tensor([[True, False, True]] + [[True, True, True]] * 6)  # no rectangle
    mask[3] = False  # no pair at all
    fused = require_same(sinkhorn, cost, epsilon=0.1, mask=mask, max_iterations=20)
    assert fused.plan[~mask].abs().sum() == 0
    stuck = torch.full((7,), 1 / 7)
    fused = require_same(sinkhorn, cost[0], epsilon=0.1, a=stuck, mask=mask[0], max_iterations=9)
    assert not bool(fused.converged)


@pytest.mark.parametrize("prices", [(0.5, 1.5), (0.0, float("inf")), (0.0, 0.0)])
@pytest.mark.parametrize("spread", [0.5, 6.0], ids=["narrow", "wide"])
def test_agrees_on_relaxed_marginals(prices, spread):
    cost, a, b = problems(20, 7, 3, spread)
    keywords = dict(rho_a=prices[0], rho_b=prices[1], a=a, b=b, max_iterations=20)
    require_same(unbalanced_sinkhorn, cost, epsilon=0.1, **keywords)


def test_agrees_on_partial_transport(calls):
    require_same(partial_sinkhorn, problems(9, 7, 3)[0], mass=0.6, epsilon=0.1, max_iterations=20)
    assert calls == [(9, 8, 4)]


@pytest.mark.parametrize(("K", "N"), [(10, 4), (196, 4)])
def test_a_problem_is_the_same_to_the_bit_in_any_batch(K, N):
    cost, a, b = problems(35 if K < 100 else 5, K, N)
    cost[::3] *= 20
    solve = partial(sinkhorn, epsilon=0.1, max_iterations=12, implementation="fused")
    together = solve(cost, a=a, b=b)
    for chosen in (slice(0, 1), slice(1, 2), slice(2, 7), slice(3, None, 3)):
        alone = solve(cost[chosen], a=a[chosen], b=b[chosen])
        for name in ("plan", "row_potential", "iterations", "converged"):
            part = getattr(together, name)[chosen]
            torch.testing.assert_close(getattr(alone, name), part, rtol=0, atol=0, msg=name)


def test_empty_batch_leading_axes_and_strides():
    assert sinkhorn(torch.zeros(2, 0, 3, 2), epsilon=0.1, implementation="fused").plan.shape == (
        2, 0, 3, 2,
    )  # fmt: skip
    cost, a, b = (x.unflatten(0, (3, 2)) for x in problems(6, 7, 3))
    require_same(sinkhorn, cost, epsilon=0.1, a=a, b=b)
    require_same(sinkhorn, cost.mT, epsilon=0.1, a=b[0, 0], b=a)
    require_same(sinkhorn, cost[0, 0], epsilon=0.1, a=a[0, 0], b=b[0, 0])
    before = cost.clone()
    sinkhorn(cost, epsilon=0.1, implementation="fused")
    assert torch.equal(cost, before)


def test_half_precision_is_lifted(calls):
    cost = problems(5, 10, 4)[0].bfloat16()
    result = sinkhorn(cost, epsilon=0.1, implementation="fused")
    expected = sinkhorn(cost.float(), epsilon=0.1, implementation="fused")
    assert result.plan.dtype == torch.bfloat16
    torch.testing.assert_close(result.plan, expected.plan.bfloat16(), rtol=0, atol=0)
    assert len(calls) == 2


@pytest.mark.parametrize(
    ("cost", "gradient"),
    [
        (torch.rand(2, 10, 4).double(), "detach"),
        (torch.rand(2, 40, 30), "detach"),
        (torch.rand(2, 10, 4), "implicit"),
        (torch.rand(2, 10, 4), "unroll"),
    ],
    ids=["float64", "large", "implicit", "unroll"],
)
def test_what_the_kernel_cannot_do_is_left_to_the_plain_path(calls, cost, gradient):
    solve = partial(sinkhorn, cost, epsilon=0.1, gradient=gradient, max_iterations=20)
    both = solve(implementation="fused").plan, solve(implementation="plain").plan
    torch.testing.assert_close(*both, rtol=0, atol=0)
    assert calls == []


def test_envelope_gradient(calls):
    cost = problems(4, 10, 4)[0].requires_grad_()
    result = sinkhorn(cost, epsilon=0.1, gradient="envelope", implementation="fused")
    (gradient,) = torch.autograd.grad(result.cost.sum(), cost)
    torch.testing.assert_close(gradient, result.plan, rtol=0, atol=2e-6)
    assert len(calls) == 1


@pytest.mark.parametrize(
    ("aligner", "calls_expected"),
    [
        (partial(SinkhornAligner), 2),
        (partial(UnbalancedSinkhornAligner, rho_prompts=0.5), 2),
        (partial(PartialAligner, mass=0.7), 2),
    ],
    ids=["balanced", "relaxed", "partial"],
)
def test_aligners(calls, aligner, calls_expected):
    similarity = 1 - problems(6, 10, 4)[0]
    mask = torch.ones(10, 4, dtype=torch.bool)
    mask[7:] = False
    for kept in (None, mask):
        both = [aligner(implementation=way)(similarity, kept) for way in ("fused", "plain")]
        torch.testing.assert_close(*both, rtol=0, atol=2e-6)
    assert len(calls) == calls_expected


def test_vmap_is_a_batch():
    cost = problems(12, 7, 3)[0].view(3, 4, 7, 3)
    solve = partial(sinkhorn, epsilon=0.1, implementation="fused")
    mapped = torch.vmap(lambda c: solve(c).plan, in_dims=1, out_dims=1)(cost)
    torch.testing.assert_close(mapped, solve(cost).plan, rtol=0, atol=1e-7)


def test_negative_marginals_are_refused():
    with pytest.raises(ConfigError, match="expected marginals >= 0"):
        sinkhorn(
            torch.zeros(2, 2), epsilon=0.1, a=torch.tensor([1.5, -0.5]), implementation="fused"
        )


def test_a_wrong_solution_would_be_noticed():
    cost = problems(5, 10, 4, 3.0)[0]

    def spoilt(cost, implementation, **keywords):
        epsilon = 0.101 if implementation == "fused" else 0.1
        return sinkhorn(cost, epsilon=epsilon, implementation=implementation, **keywords)

    with pytest.raises(AssertionError, match="plan: "):
        require_same(spoilt, cost)
