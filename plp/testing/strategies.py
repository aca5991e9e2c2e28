"""Hypothesis strategies for similarities, costs, masks, marginals and whole transport problems.

Sizes are small, values come with many ties and zeros, and everything shrinks, so that a law that
fails does so on an example one can read.

Example:
    >>> from hypothesis import given
    >>> @given(cosines())
    ... def test_they_are_cosines(similarity):
    ...     assert similarity.abs().max() <= 1
    >>> test_they_are_cosines()
"""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from jaxtyping import Bool, Float
from torch import Tensor

Draw = Callable[..., Any]  # hypothesis's DrawFn, which run-time type checkers cannot check

MAX_PATCHES, MAX_PROMPTS, MAX_BATCH = 7, 5, 3


class MaskedCosines(NamedTuple):
    """Cosines and the pairs that exist; every problem has at least one pair."""

    similarity: Float[Tensor, "*batch K N"]
    mask: Bool[Tensor, "*batch K N"]


class TransportProblem(NamedTuple):
    """Costs in [0, 1] and marginals that sum to one, in float64."""

    cost: Float[Tensor, "B K N"]
    a: Float[Tensor, "B K"]
    b: Float[Tensor, "B N"]
    epsilon: float


def sizes() -> st.SearchStrategy[tuple[int, int]]:
    """Draw K and N, both from one up."""
    return st.tuples(st.integers(1, MAX_PATCHES), st.integers(1, MAX_PROMPTS))


def _values(shape: tuple[int, ...], low: float, high: float) -> st.SearchStrategy[Tensor]:
    elements = st.floats(low, high, width=32, allow_subnormal=False)
    return hnp.arrays(np.float32, shape, elements=elements).map(torch.from_numpy)


@st.composite
def cosines(draw: Draw, batch: tuple[int, ...] | None = None) -> Float[Tensor, "*batch K N"]:
    """Draw float32 cosines in [-1, 1]; one leading axis of up to three problems by default."""
    leading = (draw(st.integers(1, MAX_BATCH)),) if batch is None else batch
    return draw(_values((*leading, *draw(sizes())), -1.0, 1.0))


@st.composite
def ragged_cosines(draw: Draw) -> MaskedCosines:
    """Draw cosines and any mask that leaves every problem a pair."""
    similarity = draw(cosines())
    mask = torch.from_numpy(draw(hnp.arrays(np.bool_, tuple(similarity.shape))))
    empty = ~mask.any(-1, keepdim=True).any(-2, keepdim=True)
    return MaskedCosines(similarity, mask | empty)


@st.composite
def rectangular_cosines(draw: Draw) -> MaskedCosines:
    """Draw cosines whose first rows and columns exist: a smaller problem in a larger frame."""
    similarity = draw(cosines())
    B, K, N = similarity.shape
    mask = torch.zeros(B, K, N, dtype=torch.bool)
    for problem in mask:
        problem[: draw(st.integers(1, K)), : draw(st.integers(1, N))] = True
    return MaskedCosines(similarity, mask)


@st.composite
def marginals(draw: Draw, shape: tuple[int, ...], zeros: bool = True) -> Float[Tensor, "*batch K"]:
    """Draw float64 weights that sum to one over the last axis; zero entries unless refused."""
    weights = draw(_values(shape, 0.0 if zeros else 0.125, 1.0)).double()
    weights[..., 0] += 0.1  # never all zero
    weights = torch.where(weights < 1e-3, 0.0, weights)
    return weights / weights.sum(-1, keepdim=True)


@st.composite
def problems(draw: Draw, zeros: bool = True, smallest_epsilon: float = 0.1) -> TransportProblem:
    """Draw whole problems that converge: the cost spreads over at most 1 / epsilon."""
    cost = draw(_values((draw(st.integers(1, MAX_BATCH)), *draw(sizes())), 0.0, 1.0)).double()
    a = draw(marginals(tuple(cost.shape[:2]), zeros))
    b = draw(marginals((cost.shape[0], cost.shape[2]), zeros))
    exponent = draw(st.floats(math.log10(smallest_epsilon), 1, allow_subnormal=False))
    return TransportProblem(cost, a, b, 10**exponent)


@st.composite
def assignments(draw: Draw) -> Float[Tensor, "B K K"]:
    """Draw square float64 costs in [0, 1]."""
    size = draw(st.integers(1, MAX_PROMPTS))
    return draw(_values((draw(st.integers(1, MAX_BATCH)), size, size), 0.0, 1.0)).double()
