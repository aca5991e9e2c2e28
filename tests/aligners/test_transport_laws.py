"""Laws of balanced transport for `sinkhorn`, in the scaling domain, the log domain and unrolled."""

from functools import partial

import pytest

from plp.aligners import _operator, sinkhorn
from plp.testing.transport_laws import TRANSPORT_LAWS

TIGHT = partial(sinkhorn, tolerance=1e-13, max_iterations=5000)


@pytest.fixture(params=["scaling", "log", "implicit"])
def solver(request, monkeypatch):
    if request.param == "log":
        monkeypatch.setattr(_operator, "SCALING_LIMIT", -1.0)
    return partial(TIGHT, gradient="implicit") if request.param == "implicit" else TIGHT


@pytest.mark.parametrize("law", TRANSPORT_LAWS)
def test_law(solver, law):
    TRANSPORT_LAWS[law](solver, max_examples=10, derandomize=True)


@pytest.mark.slow
@pytest.mark.parametrize("law", TRANSPORT_LAWS)
def test_law_thoroughly(solver, law):
    TRANSPORT_LAWS[law](solver, max_examples=60, derandomize=True)
