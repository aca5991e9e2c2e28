"""Mean and sample standard deviation over seeds."""

import statistics
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple, TypeVar

from plp.errors import DataError
from plp.results.run import Run
from plp.results.settings import require_equal
from plp.wording import count

T = TypeVar("T")
Key = tuple[str, str, int]  # method, dataset, shots


class Summary(NamedTuple):
    """A number over seeds.

    Attributes:
        mean: Mean over the seeds.
        std: Sample standard deviation (n - 1); None for one seed.
        seeds: Seeds, ascending.
        other_code: Whether a run among them is of another state of plp's code.
    """

    mean: float
    std: float | None
    seeds: tuple[int, ...]
    other_code: bool = False


def summarise(runs: Iterable[Run], line: str = "fused") -> dict[Key, Summary]:
    """Return mean and deviation over seeds by (method, dataset, shots).

    Args:
        runs: Rows, one per seed; a row that lacks the line of evidence is passed over.
        line: Line of evidence, such as `fused` or `zero_shot`.

    Raises:
        DataError: if two rows are of the same method, dataset, shots and seed, or rows of one cell
            were run with different settings.

    Example:
        >>> rows = [Run('coop', 'dtd', 16, seed, {'fused': value}, {}, 0)
        ...         for seed, value in ((1, 60.0), (2, 64.0))]
        >>> summarise(rows)[('coop', 'dtd', 16)].mean
        62.0
    """
    groups: dict[Key, dict[int, Run]] = {}
    for run in runs:
        seeds = groups.setdefault((run.method, run.dataset, run.shots), {})
        if run.seed in seeds:
            raise DataError(
                f"{run.method}, {run.dataset}, {run.shots} shots, seed {run.seed} is there twice: "
                f"{seeds[run.seed].path!r} and {run.path!r}. A mean must count a seed once"
            )
        seeds[run.seed] = run
    for (method, dataset, shots), seeds in groups.items():
        require_equal(
            f"{method}, {dataset}, {count(shots, 'shot')}",
            [(f"seed {seed} ({run.path})", run.settings) for seed, run in seeds.items()],
        )
    return {
        key: _summary({seed: run.accuracy[line] for seed, run in having.items()}, having.values())
        for key, seeds in groups.items()
        if (having := {seed: run for seed, run in sorted(seeds.items()) if line in run.accuracy})
    }


def average_over_datasets(
    runs: Sequence[Run], method: str, shots: int, datasets: Sequence[str], line: str = "fused"
) -> Summary | None:
    """Return the average over datasets, each counting the same; None if one of them is missing.

    The mean is the mean of the datasets' means. The deviation is the one over seeds of the average
    of each seed; it exists only if all datasets have the same seeds, as do the seeds returned.
    """
    rows = [run for run in runs if (run.method, run.shots) == (method, shots)]
    cells = summarise(rows, line)
    if not all((method, name, shots) in cells for name in datasets) or not datasets:
        return None
    parts = [cells[method, name, shots] for name in datasets]
    other_code = any(part.other_code for part in parts)
    seeds = parts[0].seeds
    if any(part.seeds != seeds for part in parts):
        return Summary(statistics.fmean(part.mean for part in parts), None, (), other_code)
    values = {
        seed: statistics.fmean(
            run.accuracy[line] for run in rows if run.seed == seed and run.dataset in datasets
        )
        for seed in seeds
    }
    return _summary(values, ())._replace(other_code=other_code)


def in_order(values: Iterable[T]) -> tuple[T, ...]:
    """Return the distinct values in order of first appearance."""
    return tuple(dict.fromkeys(values))


def _summary(values: Mapping[int, float], runs: Iterable[Run]) -> Summary:
    numbers = list(values.values())
    std = statistics.stdev(numbers) if len(numbers) > 1 else None
    other_code = any(run.other_code for run in runs)
    return Summary(statistics.fmean(numbers), std, tuple(sorted(values)), other_code)
