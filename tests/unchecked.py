"""Running plp as a user has it installed: without the run-time type checks of the test run."""

from collections.abc import Iterator
from contextlib import contextmanager

import jaxtyping


@contextmanager
def as_installed() -> Iterator[None]:
    """Switch run-time shape and type checks off, which would speak before plp's own errors do."""
    jaxtyping.config.update("jaxtyping_disable", True)
    try:
        yield
    finally:
        jaxtyping.config.update("jaxtyping_disable", False)
