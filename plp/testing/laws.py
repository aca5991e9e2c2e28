"""Running laws: properties that must hold for every example hypothesis can think of."""

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.strategies import SearchStrategy
from torch import Tensor


class Law(NamedTuple):
    """A property of a subject (an aligner, a solver), to be checked on examples.

    Attributes:
        check: Takes the subject and an example; raises AssertionError where the law is broken.
        examples: Strategy that draws the examples.
    """

    check: Callable[[Any, Any], None]
    examples: SearchStrategy

    def __call__(
        self,
        subject: Any,
        max_examples: int | None = None,
        derandomize: bool | None = None,
        shrink: bool = True,
    ) -> None:
        """Check the law.

        Args:
            subject: What is on trial.
            max_examples: Examples to draw; None for what the active hypothesis profile says.
            derandomize: Whether to draw the same examples every time; None for the profile's word.
            shrink: Whether to look for the smallest failing example before failing.
        """
        phases = (Phase.explicit, Phase.reuse, Phase.generate) + (Phase.shrink,) * shrink
        profile = settings.get_profile(settings.get_current_profile_name())
        configured = settings(
            max_examples=max_examples or profile.max_examples,
            derandomize=profile.derandomize if derandomize is None else derandomize,
            phases=phases,
            deadline=None,
            report_multiple_bugs=False,
            suppress_health_check=[HealthCheck.too_slow],
            print_blob=False,
        )

        @configured
        @given(self.examples)
        def trial(example: Any) -> None:
            self.check(subject, example)

        trial()


def require(holds: object, message: str) -> None:
    """Raise AssertionError with the message unless `holds`."""
    if not holds:
        raise AssertionError(message)


def require_close(actual: Tensor, expected: Tensor, rtol: float = 0.0, atol: float = 0.0) -> None:
    """Raise AssertionError unless two tensors agree, bit for bit where no tolerance is given."""
    torch.testing.assert_close(actual, expected, rtol=rtol, atol=atol)
