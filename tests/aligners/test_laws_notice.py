"""Tests of the tests: every law fails for a component that breaks it."""

import broken_aligners
import broken_solvers
import pytest

from plp.testing.aligner_laws import ALIGNER_LAWS
from plp.testing.transport_laws import TRANSPORT_LAWS


@pytest.mark.parametrize(("broken", "law"), broken_aligners.BROKEN)
def test_a_broken_aligner_is_noticed(broken, law):
    expected = ValueError if broken is broken_aligners.OneBatchAxisOnly else AssertionError
    with pytest.raises(expected):
        ALIGNER_LAWS[law](broken(), max_examples=50, derandomize=True, shrink=False)


@pytest.mark.parametrize(("broken", "law"), broken_solvers.BROKEN)
def test_a_broken_solver_is_noticed(broken, law):
    with pytest.raises(AssertionError):
        TRANSPORT_LAWS[law](broken, max_examples=50, derandomize=True, shrink=False)


@pytest.mark.parametrize(
    ("laws", "broken"),
    [(ALIGNER_LAWS, broken_aligners.BROKEN), (TRANSPORT_LAWS, broken_solvers.BROKEN)],
)
def test_every_law_has_a_component_that_breaks_it(laws, broken):
    assert {law for _, law in broken} == set(laws)
