"""How long jobs take: which to begin with, and how much time is left."""

import statistics
from collections.abc import Iterable, Sequence

from plp.sweeps.compare.job import Job


class Durations:
    """Seconds of finished jobs, and what they say about others.

    Example:
        >>> Durations().estimate('coop', 'dtd', 16) is None
        True
    """

    def __init__(self) -> None:
        self._seconds: dict[tuple[str, str], list[tuple[int, float]]] = {}

    def add(self, job: Job, seconds: float) -> None:
        """Take note of a finished job."""
        self._seconds.setdefault((job.method, job.dataset), []).append((job.shots, seconds))

    def estimate(self, method: str, dataset: str, shots: int) -> float | None:
        """Return the median of equal jobs; else of the nearest shots; None without any."""
        known = self._seconds.get((method, dataset))
        if not known:
            return None
        nearest = min({k for k, _ in known}, key=lambda k: abs(k - shots))
        return statistics.median(seconds for k, seconds in known if k == nearest)

    def left(self, jobs: Iterable[Job], workers: int) -> float | None:
        """Return about how many seconds the jobs take; unknown ones count as the median of all."""
        everything = [seconds for rows in self._seconds.values() for _, seconds in rows]
        if not everything:
            return None
        usual = statistics.median(everything)
        total = sum(self.estimate(j.method, j.dataset, j.shots) or usual for j in jobs)
        return total / max(workers, 1)

    def order(self, jobs: Sequence[Job]) -> list[Job]:
        """Return the jobs so that a long one is not left for the end.

        Known ones by falling duration; those of an unknown duration before them, as they stand.
        """
        estimates = [self.estimate(job.method, job.dataset, job.shots) for job in jobs]
        numbered = sorted(
            range(len(jobs)),
            key=lambda i: (estimates[i] is not None, -(estimates[i] or 0.0), i),
        )
        return [jobs[i] for i in numbered]


def clock(seconds: float) -> str:
    """Return a duration for people.

    Example:
        >>> [clock(s) for s in (34.2, 200.0, 8000.0)]
        ['34 s', '3 min', '2 h 13 min']
    """
    if seconds < 90:
        return f"{round(seconds)} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60:02d} min"
