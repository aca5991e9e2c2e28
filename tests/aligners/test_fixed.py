"""`implementation="fixed"`: the plain path's numbers, from operations that a tracer can follow."""

import math

import pytest
import torch

from plp.aligners import PartialAligner, SinkhornAligner, sinkhorn, unbalanced_sinkhorn

# Everything but the iterations, which are the most there may be, and what is told of convergence.
FIELDS = ("plan", "row_potential", "column_potential", "cost")
GENERATOR = torch.Generator().manual_seed(0)
COST = torch.rand(7, 10, 4, generator=GENERATOR, dtype=torch.float64)
MASK = torch.rand(7, 10, 4, generator=GENERATOR) > 0.2
MASK[0, 3], MASK[1, :, 2] = False, False  # a row, a column without any pair


def require_same(solve, *inputs, rtol=1e-9, **keywords):
    plain = solve(*inputs, implementation="plain", **keywords)
    fixed = solve(*inputs, implementation="fixed", **keywords)
    assert bool(plain.converged.all())
    for name in FIELDS:
        both = getattr(fixed, name), getattr(plain, name)
        torch.testing.assert_close(*both, rtol=rtol, atol=1e-9, msg=lambda m, n=name: f"{n}: {m}")
    return fixed


@pytest.mark.parametrize("epsilon", [0.05, 1.0])
@pytest.mark.parametrize("mask", [None, MASK], ids=["all", "masked"])
def test_relaxed(epsilon, mask):
    settings = dict(epsilon=epsilon, tolerance=1e-12, max_iterations=400, mask=mask)
    for rho_a, rho_b in ((0.3, math.inf), (0.3, 0.5), (0.0, math.inf)):
        require_same(unbalanced_sinkhorn, COST, rho_a=rho_a, rho_b=rho_b, **settings)


@pytest.mark.parametrize("epsilon", [0.05, 1.0])
def test_balanced(epsilon):
    settings = dict(epsilon=epsilon, tolerance=1e-12, max_iterations=1000)
    fixed = require_same(sinkhorn, COST, **settings)
    assert bool(fixed.converged.all())
    assert bool((fixed.iterations == 1000).all())
    a = torch.tensor([0.0, 0.4, 0.3, 0.0, 0.3], dtype=torch.float64)
    require_same(sinkhorn, COST[:, :5], a=a, **settings)
    rectangle = torch.ones(10, 4, dtype=torch.bool)
    rectangle[2], rectangle[:, 1] = False, False
    require_same(sinkhorn, COST, mask=rectangle, **settings)


def test_says_what_has_not_converged():
    few = sinkhorn(COST, epsilon=0.05, max_iterations=2, implementation="fixed")
    assert not bool(few.converged.any())
    stuck = torch.zeros(10, 4, dtype=torch.bool)
    stuck[2:] = True  # mass of the first two rows has nowhere to go
    uniform = torch.full((10,), 0.1, dtype=torch.float64)
    lost = sinkhorn(COST, epsilon=0.5, a=uniform, mask=stuck, implementation="fixed")
    assert not bool(lost.converged.any())


def test_partial():
    plain = PartialAligner(mass=0.6, max_iterations=1000)
    fixed = PartialAligner(mass=0.6, max_iterations=1000, implementation="fixed")
    torch.testing.assert_close(fixed(1 - COST), plain(1 - COST), rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("epsilon", [0.01, 0.1])
def test_cosines_in_float32(epsilon):
    """As many iterations as the plain path may take: rounding and its tolerance are left."""
    cosines = 0.3 + 0.05 * torch.randn(50, 10, 4, generator=GENERATOR)
    settings = dict(epsilon=epsilon, max_iterations=100)
    plain = SinkhornAligner(**settings)(cosines)
    fixed = SinkhornAligner(**settings, implementation="fixed")(cosines)
    assert float((fixed - plain).abs().sum((-2, -1)).max()) < 1e-5


def test_traces_for_any_batch():
    class Plan(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.aligner = SinkhornAligner(max_iterations=5, implementation="fixed")

        def forward(self, similarity):
            return self.aligner(similarity)

    batch = torch.export.Dim("batch")
    traced = torch.export.export(
        Plan(), (torch.rand(2, 6, 5),), dynamic_shapes=({0: batch},), strict=False
    )
    names = {str(node.target) for node in traced.graph.nodes}
    assert not any("plp" in name for name in names)
    for images in (1, 2, 7):
        similarity = torch.rand(images, 6, 5)
        torch.testing.assert_close(traced.module()(similarity), Plan()(similarity))
