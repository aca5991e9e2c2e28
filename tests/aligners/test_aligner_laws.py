"""The contract suite over the whole registry."""

import pytest
from cases import CASES

from plp.aligners import Aligner
from plp.registry import ALIGNERS
from plp.testing.aligner_laws import ALIGNER_LAWS

ROWS = [(name, keywords) for name, rows in CASES["aligner"].items() for keywords in rows]
IDS = [f"{name}-{'-'.join(f'{k}={v}' for k, v in keywords.items())}" for name, keywords in ROWS]


@pytest.fixture(params=ROWS, ids=IDS)
def aligner(request) -> Aligner:
    name, keywords = request.param
    return ALIGNERS.build({"type": name, **keywords})


@pytest.mark.parametrize("law", ALIGNER_LAWS)
def test_law(aligner, law):
    ALIGNER_LAWS[law](aligner, max_examples=8, derandomize=True)


@pytest.mark.slow
@pytest.mark.parametrize("law", ALIGNER_LAWS)
def test_law_thoroughly(aligner, law):
    ALIGNER_LAWS[law](aligner, max_examples=50, derandomize=True)
