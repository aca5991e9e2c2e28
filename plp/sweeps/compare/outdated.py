"""Why results are made anew: said before they are, with what was and what is."""

from collections import Counter
from collections.abc import Iterator, Sequence

from plp.config.load import choose, load_config
from plp.errors import PlpError
from plp.results.earlier import SET_ASIDE
from plp.results.run import read_result
from plp.results.settings import describe, differing, settings_of
from plp.sweeps.compare.job import Job
from plp.sweeps.compare.state import Kind, State
from plp.wording import count

_MOST = 3  # entries of a config


def notes_on_outdated(found: Sequence[tuple[Job, State]]) -> list[str]:
    """Return a sentence for each reason for which finished runs are run again.

    Args:
        found: Jobs that are to be run, and what stands in their folders.
    """
    outdated = [(job, state) for job, state in found if state.kind is Kind.OUTDATED]
    outdated += [(job, state) for job, state in found if state.kind is Kind.OTHER_CODE]
    reasons = Counter(state.reason for _, state in outdated)
    return [
        f"{count(number, 'run')} made anew, what stood there is kept in {SET_ASIDE}: {reason}"
        f"{_of_config(next(job for job, state in outdated if state.reason == reason), reason)}"
        for reason, number in reasons.items()
    ]


def _of_config(job: Job, reason: str) -> str:
    """Say what has changed in the config of a job, if it has."""
    if job.task is not None or "config" not in reason:
        return ""
    return "".join(f" ({text}, in {job.title})" for text in _changes(job))


def _changes(job: Job) -> Iterator[str]:
    try:
        result = read_result(job.result)
        config, _, recipe = choose(load_config(job.config), job.choices)
        changed = {**result, "config": config.to_dict(), "recipe": recipe}
        changed["selection"] = config.get("selection", "last")
        changed["precision"] = config.model.get("precision", "fp32")
        before, after = settings_of(result), settings_of(changed)
    except PlpError:
        return
    if keys := differing(before, after):
        more = f" and {len(keys) - _MOST} more" if len(keys) > _MOST else ""
        was, now = (describe(one, keys[:_MOST]) for one in (before, after))
        yield f"{was}; now {now}{more}"
