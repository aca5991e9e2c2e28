"""Counts of a run's transport problems, and what it says about those that have not converged."""

import contextlib
import logging
import math
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import torch
from mmengine.dist import all_gather_object
from torch import Tensor

from plp.aligners import Sinkhorn
from plp.aligners.convergence import listening
from plp.branches.local_branch import LocalBranch
from plp.learners.prompt_learner import PromptLearner

logger = logging.getLogger("plp")


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


Found = dict[str, BranchTransport]


@contextlib.contextmanager
def watching_transport() -> Iterator[Found]:
    """Count, by branch, the transport problems of a block, in all processes of a run.

    Yields:
        A dict that holds the counts when the block has ended.
    """
    tally, found = TransportTally(), Found()
    with listening(tally):
        yield found
    found.update(together(all_gather_object(tally.summary())))


def transport_entries(found: Mapping[str, BranchTransport]) -> dict[str, Any]:
    """Return what a result holds: for each branch problems, converged ones, their share, error."""
    return {
        name: {**one._asdict(), "converged_share": round(one.share, 6)}
        for name, one in found.items()
    }


def transport_notes(
    found: Mapping[str, BranchTransport], learner: PromptLearner | None = None
) -> list[str]:
    """Return a sentence for each branch whose transport has not converged everywhere.

    Args:
        found: Counts by branch.
        learner: Names the settings as they are, where it is given.

    Example:
        >>> transport_notes({'local': BranchTransport(200, 150, 0.25)})[0][:75]
        'branch local: 50 of 200 transport problems (25 %) have not converged; worst'
    """
    return [
        f"branch {name}: {one.problems - one.converged:,} of {one.problems:,} transport problems "
        f"({_percent(1 - one.share)}) have not converged; worst L1 error of a plan's row sums "
        f"{_error(one.worst_row_error)} (mass 1). {_advice(name, learner)}"
        for name, one in found.items()
        if one.converged < one.problems
    ]


def warn_of_transport(found: Mapping[str, BranchTransport], learner: PromptLearner) -> list[str]:
    """Log the sentences of `transport_notes`, and return them."""
    notes = transport_notes(found, learner)
    for note in notes:
        logger.warning("%s", note)
    return notes


def _percent(share: float) -> str:
    if 0.9999 < share < 1:
        return "over 99.99 %"
    return f"{100 * share:.2g} %" if share < 0.995 else f"{100 * share:.4g} %"


def _error(worst: float | None) -> str:
    return "not finite" if worst is None else f"{worst:.2g}"


def _advice(name: str, learner: PromptLearner | None) -> str:
    """Say which settings to change, with their values where the aligner has them."""
    branches = {} if learner is None else dict(learner.branches.named())
    branch = branches.get(name)
    aligner = branch.aligner if isinstance(branch, LocalBranch) else None
    solver = getattr(aligner, "solver", None)
    if not isinstance(solver, Sinkhorn):
        return "Raise max_iterations of its aligner, or take a larger epsilon"
    key = f"model.branches.{name}.aligner"
    return (
        f"Raise {key}.max_iterations (now {solver.max_iterations}) or take a larger "
        f"{key}.epsilon (now {solver.epsilon:g})"
    )
