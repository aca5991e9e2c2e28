"""Fixtures of the aligner tests."""

import jaxtyping
import pytest


@pytest.fixture
def as_installed():
    """Without the run-time shape checks of the test run, which would speak before plp does."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)
