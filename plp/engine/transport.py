"""What a run says about transport that has not converged."""

import contextlib
import logging
from collections.abc import Iterator, Mapping
from typing import Any

from mmengine.dist import all_gather_object

from plp.aligners.convergence import BranchTransport, TransportTally, listening, together
from plp.branches.local_branch import LocalBranch
from plp.learners.prompt_learner import PromptLearner

logger = logging.getLogger("plp")

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
    settings = getattr(aligner, "settings", None)
    if settings is None:
        return "Raise max_iterations of its aligner, or take a larger epsilon"
    key = f"model.branches.{name}.aligner"
    return (
        f"Raise {key}.max_iterations (now {settings.max_iterations}) or take a larger "
        f"{key}.epsilon (now {settings.epsilon:g})"
    )
