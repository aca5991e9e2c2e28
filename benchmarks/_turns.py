"""Processes that measure in turns, also the code of two commits."""

import statistics
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from _bench import measure_apart


@contextmanager
def tree_of(commit: str | None) -> Iterator[Path]:
    """Unpack another commit into a folder for the time of a block; None is the tree as it lies.

    Raises:
        SystemExit: for a commit that git does not have.
    """
    own = Path(__file__).parents[1]
    if commit is None:
        yield own
        return
    command = ["git", "archive", commit, "plp", "configs"]
    packed = subprocess.run(command, cwd=own, capture_output=True, check=False)
    if packed.returncode:
        raise SystemExit(f"cannot take {commit} out of git: {packed.stderr.decode().strip()}")
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(["tar", "-x"], cwd=folder, input=packed.stdout, check=True)
        yield Path(folder)


def in_turns(
    script: str,
    jobs: Mapping[tuple[str, str], Mapping[str, Any]],
    trees: Mapping[str, Path | None],
    rounds: int,
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Measure every job once a round, so that what else the machine does is shared out.

    Args:
        script: Path of the benchmark.
        jobs: Arguments of its `measure`, by variant and mark of the tree.
        trees: Folder of each tree, see `measure_apart`, by the mark that its rows get.
        rounds: How often.

    Yields:
        Title and medians of a job, once its last round is done.
    """
    found: dict[str, list[dict[str, Any]]] = {}
    for number in range(1, rounds + 1):
        for (variant, mark), job in jobs.items():
            one = measure_apart(script, job, trees[mark])
            found.setdefault(variant + mark, []).append(one)
            if number == rounds:
                yield variant + mark, median_of(found[variant + mark])


def median_of(several: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return the median of each number; an error, if there is one."""
    for one in several:
        if "error" in one:
            return one
    return {key: statistics.median(one[key] for one in several) for key in several[0]}
