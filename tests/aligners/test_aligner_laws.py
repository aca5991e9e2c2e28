"""The contract suite over the whole registry."""

import pytest
from aligner_cases import ALIGNER_CASES, IDS, ROWS

from plp.aligners import Aligner
from plp.registry import ALIGNERS
from plp.testing.aligner_laws import ALIGNER_LAWS


@pytest.fixture(params=ROWS, ids=IDS)
def aligner(request) -> Aligner:
    name, keywords = request.param
    return ALIGNERS.build({"type": name, **keywords})


def test_every_registered_aligner_has_a_row():
    assert set(ALIGNERS.names()) == set(ALIGNER_CASES)


@pytest.mark.parametrize("law", ALIGNER_LAWS)
def test_law(aligner, law):
    ALIGNER_LAWS[law](aligner, max_examples=8, derandomize=True)


@pytest.mark.slow
@pytest.mark.parametrize("law", ALIGNER_LAWS)
def test_law_thoroughly(aligner, law):
    ALIGNER_LAWS[law](aligner, max_examples=50, derandomize=True)
