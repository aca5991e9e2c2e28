"""Runs whose transport has not converged, named in front of their tables."""

from collections.abc import Mapping, Sequence
from typing import Any

from plp.results.records import Run
from plp.results.worst import positive_by
from plp.wording import count


def unsolved_share(result: Mapping[str, Any]) -> float:
    """Return the largest share of problems that a branch has not solved; 0 where nothing says so.

    Example:
        >>> unsolved_share({'transport': {'local': {'converged_share': 0.75}}})
        0.25
    """
    found = result.get("transport")
    if not isinstance(found, Mapping):
        return 0.0
    shares = (one.get("converged_share") for one in found.values() if isinstance(one, Mapping))
    return max((1.0 - share for share in shares if isinstance(share, int | float)), default=0.0)


def notes_on_transport(runs: Sequence[Run]) -> list[str]:
    """Return a note on each method some of whose runs have plans that did not converge."""
    worst = positive_by(runs, lambda run: run.method, lambda run: run.unsolved)
    return [
        f"Transport of {method} has not converged in {count(len(shares), 'run')} (in one of them "
        f"{100 * max(shares):.2g} % of the problems): raise max_iterations of the aligner, or take "
        "a larger epsilon. The notes of each run say more."
        for method, shares in worst.items()
    ]
