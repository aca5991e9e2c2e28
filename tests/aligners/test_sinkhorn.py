"""`sinkhorn` against POT, SciPy, the published plans and itself."""

from functools import partial
from pathlib import Path

import numpy as np
import ot
import pytest
import torch
from scipy.optimize import linear_sum_assignment

from plp.aligners import SinkhornAligner, _operator, sinkhorn
from plp.errors import ConfigError

PARITY = Path(__file__).parents[1] / "parity"


def random_problems(*batch: int, K: int = 10, N: int = 4, spread: float = 1.0, seed: int = 0):
    generator = torch.Generator().manual_seed(seed)
    draw = partial(torch.rand, generator=generator, dtype=torch.float64)
    a, b = draw(*batch, K) + 0.1, draw(*batch, N) + 0.1
    return (
        spread * draw(*batch, K, N),
        a / a.sum(-1, keepdim=True),
        b / b.sum(-1, keepdim=True),
    )


@pytest.fixture(params=["scaling", "log"])
def domain(request, monkeypatch):
    """Both ways of solving on the CPU, whatever the spread."""
    limit = {"scaling": 600.0, "log": -1.0}[request.param]
    monkeypatch.setattr(_operator, "SCALING_LIMIT", limit)


@pytest.mark.parametrize("epsilon", [0.05, 0.1, 1.0])
@pytest.mark.parametrize("size", [(10, 4), (3, 7), (1, 5), (6, 1), (140, 150)])
def test_agrees_with_pot(domain, epsilon, size):
    K, N = size
    cost, a, b = random_problems(2, K=K, N=N)
    result = sinkhorn(cost, epsilon=epsilon, a=a, b=b, tolerance=1e-13, max_iterations=10_000)
    for i in range(2):
        expected = ot.sinkhorn(
            a[i].numpy(), b[i].numpy(), cost[i].numpy(), epsilon,
            method="sinkhorn_log", stopThr=1e-14, numItermax=20_000,
        )  # fmt: skip
        np.testing.assert_allclose(result.plan[i], expected, rtol=1e-7, atol=1e-12)


def test_small_epsilon_agrees_with_the_exact_solver():
    cost, a, b = random_problems(2, K=8, N=5)
    result = sinkhorn(cost, epsilon=3e-4, a=a, b=b, max_iterations=20_000, tolerance=1e-4)
    assert bool(result.converged.all())
    for i in range(2):
        exact = ot.emd(a[i].numpy(), b[i].numpy(), cost[i].numpy())
        np.testing.assert_allclose(result.plan[i], exact, atol=2e-3)


def test_small_epsilon_agrees_with_the_assignment():
    cost, _, _ = random_problems(4, K=6, N=6)
    result = sinkhorn(cost, epsilon=2e-3, max_iterations=20_000, tolerance=1e-4)
    assert bool(result.converged.all())
    for problem, plan in zip(cost, result.plan, strict=True):
        rows, columns = linear_sum_assignment(problem)
        expected = torch.zeros(6, 6, dtype=torch.float64)
        expected[rows, columns] = 1 / 6
        torch.testing.assert_close(plan, expected, rtol=0, atol=2e-3)


@pytest.mark.parametrize("name", ["sotglp_tiny", "sotglp_tiny_noproj"])
def test_scores_of_the_published_code(name):
    arrays = np.load(PARITY / f"{name}.npz")
    cosines = torch.from_numpy(arrays["local_cos"])  # [B, P, C, N]
    top = cosines.mean(-1).transpose(1, 2).topk(10, dim=-1).indices  # [B, C, K]
    index = top[..., None].expand(*top.shape, cosines.shape[-1])
    similarity = cosines.permute(0, 2, 1, 3).gather(2, index)
    scores = (SinkhornAligner()(similarity) * similarity).sum((-2, -1)) / cosines.shape[-1]
    probabilities = (100 * scores).softmax(-1)
    torch.testing.assert_close(
        probabilities, torch.from_numpy(arrays["prob_local"]), rtol=0, atol=1e-6
    )


def test_default_tolerance_in_float32():
    cost, _, _ = random_problems(500, spread=0.5)
    result = sinkhorn(cost.float(), epsilon=0.1)
    exact = sinkhorn(cost, epsilon=0.1, tolerance=1e-13, max_iterations=2000)
    assert bool(result.converged.all())
    assert float(result.row_error.max()) < 1.5e-6
    assert float(result.column_error.max()) < 5e-7
    assert int(result.iterations.max()) < 60
    torch.testing.assert_close(result.plan.double(), exact.plan, rtol=0, atol=1e-6)


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize(("K", "N"), [(10, 4), (7, 3), (196, 4), (130, 130)])
def test_a_problem_is_the_same_to_the_bit_in_any_batch(K, N, threads):
    cost, a, b = (x.float() for x in random_problems(150 if K < 130 else 5, K=K, N=N))
    cost[::3] *= 40  # beyond the scaling domain
    solve = partial(sinkhorn, epsilon=0.1, max_iterations=30)
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        together = solve(cost, a=a, b=b)
        for chosen in (slice(0, 1), slice(1, 2), slice(2, 7), slice(3, None, 3), slice(1, None)):
            alone = solve(cost[chosen], a=a[chosen], b=b[chosen])
            for name in ("plan", "row_potential", "iterations", "converged"):
                part = getattr(together, name)[chosen]
                torch.testing.assert_close(getattr(alone, name), part, rtol=0, atol=0, msg=name)
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_scaling_agrees_with_the_log_domain_at_its_limit(monkeypatch, dtype):
    """Worst cases for the kernel's range: a spread of 30 epsilon, marginals down to 1e-6."""
    cost, a, b = random_problems(60, K=6, N=5)
    cost = (cost > 0.6).double() * 3.0  # two levels: the extremes of the range
    a, b = a.where(a > 0.1, 1e-6), b.where(b > 0.1, 1e-6)
    a, b = a / a.sum(-1, keepdim=True), b / b.sum(-1, keepdim=True)
    cost, a, b = (x.to(dtype) for x in (cost, a, b))
    plans = {}
    for domain, limit in (("scaling", 31.0), ("log", -1.0)):
        monkeypatch.setattr(_operator, "SCALING_LIMIT", limit)
        plans[domain] = sinkhorn(cost, epsilon=0.1, a=a, b=b, tolerance=0.0, max_iterations=200)
    atol = 1e-4 if dtype == torch.float32 else 1e-12
    torch.testing.assert_close(plans["scaling"].plan, plans["log"].plan, rtol=0, atol=atol)
    assert bool((plans["scaling"].row_error <= plans["log"].row_error + 1e-6).all())


def test_half_precision_is_lifted_and_cast_back():
    cost = random_problems(3)[0]
    for dtype in (torch.float16, torch.bfloat16):
        result = sinkhorn(cost.to(dtype), epsilon=0.1)
        expected = sinkhorn(cost.to(dtype).float(), epsilon=0.1)
        assert result.plan.dtype == dtype
        assert result.row_potential.dtype == torch.float32
        torch.testing.assert_close(result.plan, expected.plan.to(dtype), rtol=0, atol=0)


def test_empty_batch_and_leading_axes():
    assert sinkhorn(torch.zeros(0, 3, 2), epsilon=0.1).plan.shape == (0, 3, 2)
    assert sinkhorn(torch.zeros(2, 0, 3, 2), epsilon=0.1).converged.shape == (2, 0)
    cost, a, b = random_problems(2, 3)
    result = sinkhorn(cost, epsilon=0.1, a=a, b=b)
    assert result.iterations.shape == (2, 3)
    single = sinkhorn(cost[1, 2], epsilon=0.1, a=a[1, 2], b=b[1, 2])
    torch.testing.assert_close(single.plan, result.plan[1, 2], rtol=0, atol=0)


def test_marginals_broadcast():
    cost, a, b = random_problems(3)
    shared = sinkhorn(cost, epsilon=0.1, a=a[0], b=b[0])
    expanded = sinkhorn(cost, epsilon=0.1, a=a[:1].expand(3, -1), b=b[:1].expand(3, -1))
    torch.testing.assert_close(shared.plan, expanded.plan, rtol=0, atol=0)


def test_a_mask_that_forbids_the_marginals_is_reported():
    mask = torch.tensor([[True, False], [True, False], [False, True]])
    result = sinkhorn(torch.zeros(3, 2), epsilon=0.1, mask=mask)
    assert not bool(result.converged)
    assert float(result.row_error) == pytest.approx(1 / 3, abs=1e-3)
    assert float(result.plan.sum()) == pytest.approx(1.0)


def test_mass_on_an_empty_row_is_reported():
    mask = torch.tensor([[True, True], [False, False]])
    result = sinkhorn(torch.zeros(2, 2), epsilon=0.1, a=torch.tensor([0.5, 0.5]), mask=mask)
    assert not bool(result.converged)
    assert result.plan[1].tolist() == [0.0, 0.0]


def test_a_problem_without_any_pair_has_an_empty_plan():
    mask = torch.zeros(2, 3, 2, dtype=torch.bool)
    mask[1] = True
    result = sinkhorn(torch.rand(2, 3, 2), epsilon=0.1, mask=mask)
    assert result.plan[0].abs().sum() == 0
    assert result.plan[1].sum() == pytest.approx(1.0)


def test_unreachable_tolerance_stops_at_rounding():
    cost = random_problems(20, spread=0.3)[0].float()
    result = sinkhorn(cost, epsilon=0.1, tolerance=0.0, max_iterations=500)
    assert bool(result.converged.all())
    assert int(result.iterations.max()) < 100


@pytest.mark.parametrize(("count", "K", "N"), [(5, 10, 4), (1, 10, 4), (3, 1, 1), (1, 140, 140)])
def test_inputs_stay_as_they_were(count, K, N):
    tensors = random_problems(count, K=K, N=N)
    copies = [x.clone() for x in tensors]
    cost, a, b = tensors
    sinkhorn(cost, epsilon=0.1, a=a, b=b)
    assert all(torch.equal(x, y) for x, y in zip(tensors, copies, strict=True))


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"epsilon": 0.0}, "expected epsilon > 0, got 0.0"),
        ({"epsilon": float("nan")}, "expected epsilon > 0, got nan"),
        ({"max_iterations": 0}, "expected max_iterations to be an integer >= 1, got 0"),
        ({"tolerance": -1.0}, "expected tolerance to be a finite number >= 0, got -1.0"),
    ],
)
def test_settings_out_of_range(keywords, message):
    with pytest.raises(ConfigError, match=message):
        sinkhorn(torch.zeros(2, 2), **{"epsilon": 0.1, **keywords})
    with pytest.raises(ConfigError, match=message):
        SinkhornAligner(**keywords)


def test_the_aligner_refuses_the_envelope_mode():
    with pytest.raises(ConfigError, match="leaves the plan constant, as 'detach' does"):
        SinkhornAligner(gradient="envelope")


def test_negative_marginals_are_refused():
    with pytest.raises(ConfigError, match="expected marginals >= 0"):
        sinkhorn(torch.zeros(2, 2), epsilon=0.1, a=torch.tensor([1.5, -0.5]))


def test_marginals_of_unequal_mass_are_refused():
    with pytest.raises(ConfigError, match=r"same mass, got 3 and 1 \(problem 0\).*unbalanced"):
        sinkhorn(torch.rand(2, 3, 4), epsilon=0.1, a=torch.ones(3))
    shares = torch.full((196,), 1 / 196, dtype=torch.bfloat16)
    rounded = sinkhorn(torch.rand(196, 4), epsilon=0.1, a=shares)
    assert rounded.plan.isfinite().all()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"cost": torch.ones(2, 2, dtype=torch.int64)}, "expected a floating-point cost"),
        ({"cost": torch.ones(3)}, r"\[\*batch, K, N\] with K, N >= 1, got \[3\]"),
        ({"cost": torch.ones(2, 0, 3)}, r"K, N >= 1, got \[2, 0, 3\]"),
        ({"mask": torch.ones(2, 3)}, "expected a boolean mask"),
        ({"a": torch.ones(3)}, r"expected the marginal a to end in K = 2, got shape \[3\]"),
        ({"b": torch.ones(2)}, r"expected the marginal b to end in N = 3, got shape \[2\]"),
        ({"gradient": "autodiff"}, "'detach', 'envelope', 'unroll' or 'implicit', got 'autodiff'"),
    ],
)
def test_what_cannot_be_meant_is_refused(arguments, message, as_installed):
    with pytest.raises(ConfigError, match=message):
        sinkhorn(**{"cost": torch.zeros(2, 3), "epsilon": 0.1, **arguments})


def test_the_aligner_shows_its_settings():
    expected = (
        "SinkhornAligner(epsilon=0.1, max_iterations=100, tolerance=1e-06, gradient='detach')"
    )
    assert repr(SinkhornAligner()) == expected


def test_the_solver_by_the_name_it_had():
    aligner = SinkhornAligner()
    with pytest.warns(DeprecationWarning, match=r"aligner\.settings is called aligner\.solver"):
        assert aligner.settings is aligner.solver
