"""Has the transport converged? What solvers report while somebody listens.

An aligner returns a plan and nothing else; whether the iterations behind it met their tolerance
goes another way: to the listener of the code that is running, if there is one. Tensors are handed
over as they are, so that nobody waits for a device until a summary is asked for.
"""

import contextlib
import math
from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor

Listener = Callable[[str, Tensor, Tensor], None]  # branch, converged, row error of each problem

_listener: ContextVar[Listener | None] = ContextVar("plp_transport_listener", default=None)
_branch: ContextVar[str] = ContextVar("plp_transport_branch", default="")


class BranchTransport(NamedTuple):
    """How well the transport of a branch was solved.

    Attributes:
        problems: Problems solved, one for each image and class.
        converged: How many of them met their tolerance.
        worst_row_error: Largest L1 distance of a plan's row sums from what they should be, where
            the mass of a plan is one; None if it was not finite.
    """

    problems: int
    converged: int
    worst_row_error: float | None

    @property
    def share(self) -> float:
        """Share of the problems that converged."""
        return self.converged / self.problems


@contextlib.contextmanager
def listening(listener: Listener) -> Iterator[None]:
    """Let a listener hear of every problem solved in a block."""
    token = _listener.set(listener)
    try:
        yield
    finally:
        _listener.reset(token)


@contextlib.contextmanager
def in_branch(name: str) -> Iterator[None]:
    """Name the branch whose problems are solved in a block."""
    token = _branch.set(name)
    try:
        yield
    finally:
        _branch.reset(token)


def is_heard() -> bool:
    """Whether anybody listens; never while a graph is traced."""
    return not torch.compiler.is_compiling() and _listener.get() is not None


def tell(converged: Bool[Tensor, "*batch"], row_error: Float[Tensor, "*batch"]) -> None:
    """Hand over what a solver knows about its problems."""
    listener = _listener.get()
    if listener is not None:
        listener(_branch.get(), converged.detach(), row_error.detach())


class TransportTally:
    """Counts problems by branch, for as long as it listens.

    Example:
        >>> import torch
        >>> from plp.aligners import SinkhornAligner
        >>> tally = TransportTally()
        >>> with listening(tally):
        ...     plan = SinkhornAligner(epsilon=0.001)(torch.eye(6)[None] / 3)
        >>> tally.summary()['']
        BranchTransport(problems=1, converged=1, worst_row_error=0.0)
    """

    def __init__(self) -> None:
        self._problems: dict[str, int] = {}
        self._sums: dict[str, tuple[Tensor, Tensor]] = {}

    def __call__(self, branch: str, converged: Tensor, row_error: Tensor) -> None:
        """Add problems of a branch; stays on their device."""
        if not converged.numel():
            return
        solved, worst = converged.sum(), row_error.amax().float()
        if branch in self._sums:
            before, largest = self._sums[branch]
            solved, worst = before + solved, torch.maximum(largest, worst)
        self._problems[branch] = self._problems.get(branch, 0) + converged.numel()
        self._sums[branch] = solved, worst

    def summary(self) -> dict[str, BranchTransport]:
        """Return the counts of each branch; waits for the device."""
        return {
            branch: BranchTransport(self._problems[branch], int(solved), _finite(float(worst)))
            for branch, (solved, worst) in self._sums.items()
        }


def together(parts: list[Mapping[str, BranchTransport]]) -> dict[str, BranchTransport]:
    """Add the summaries of several processes up."""
    names = dict.fromkeys(name for part in parts for name in part)
    whole = {}
    for name in names:
        rows = [part[name] for part in parts if name in part]
        errors = [row.worst_row_error for row in rows]
        worst = None if None in errors else max(error for error in errors if error is not None)
        whole[name] = BranchTransport(
            sum(row.problems for row in rows), sum(row.converged for row in rows), worst
        )
    return whole


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
