"""The tables of a comparison, and what it left."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from plp.package import git_commit, versions
from plp.report.compare_report import write_comparison
from plp.results import Run, in_order, read_run
from plp.results.backbones import notes_on_backbones
from plp.results.options import notes_on_options
from plp.results.origins import notes_on_folders
from plp.results.published import published_accuracy
from plp.results.unsolved import notes_on_transport
from plp.results.variants import tell_apart
from plp.sweeps.compare.earlier_runs import earlier_runs, note_on_earlier
from plp.sweeps.compare.key import key_of
from plp.sweeps.compare.plan import Plan
from plp.sweeps.compare.state import Kind, is_done, state_of


class Comparison(NamedTuple):
    """What a comparison left.

    Attributes:
        runs: Finished runs, as rows.
        failures: What went wrong, by the title of the job.
        missing: Titles of the jobs without a result, failed ones among them.
        files: Tables and figures.
    """

    runs: list[Run]
    failures: dict[str, str]
    missing: list[str]
    files: list[Path]


def write_tables(
    plan: Plan,
    failures: dict[str, str],
    reuse_other_code: bool,
    published: bool,
    command: str | None,
) -> Comparison:
    """Write tables and figure of the runs that count, and of those of earlier calls beside them.

    Args:
        plan: What was asked for.
        failures: What went wrong, by the title of the job.
        reuse_other_code: Whether a run counts that differs in nothing but plp's own code.
        published: Put a table of published numbers after ours.
        command: The command line that asked for it, for the report.
    """
    runs, missing = [], []
    for job in plan.jobs:
        state = state_of(job)
        if is_done(state, reuse_other_code):
            other = state.kind is Kind.OTHER_CODE
            key = key_of(state.parts)
            runs.append(read_run(job.result, job.method, job.dataset, key=key, other_code=other))
        else:
            missing.append(job.title)
    earlier = earlier_runs(plan.out, plan.jobs)
    apart = tell_apart([*runs, *earlier])
    rows = _once([row for row in apart.rows if isinstance(row, Run)])
    options = notes_on_options(rows)
    files = []
    if rows or failures:
        extra = {
            "environment": {**versions(), "git_commit": git_commit(), "device": plan.device},
            "code": plan.jobs[0].parts["code"],
            "failures": failures,
            "missing": missing,
            "options": [] if options else list(plan.options),
            **({"command": command} if command else {}),
        }
        more = published_accuracy(plan.datasets) if published else ()
        methods = in_order((*plan.methods, *(row.method for row in earlier)))
        files = write_comparison(
            plan.out, rows, extra=extra, more_tables=more,
            methods=[name for one in methods for name in apart.named.get(one, [one])],
            datasets=in_order((*plan.datasets, *(row.dataset for row in earlier))),
            notes=(*plan.notes, *options, *note_on_earlier(earlier), *apart.notes,
                   *notes_on_folders(rows), *notes_on_transport(rows),
                   *notes_on_backbones(rows)),
        )  # fmt: skip
    return Comparison(runs, failures, missing, files)


def _once(runs: Sequence[Run]) -> list[Run]:
    """Return the first run of each cell and seed: what was asked for comes before what is older."""
    found: dict[tuple[str, str, int, int], Run] = {}
    for run in runs:
        found.setdefault((run.method, run.dataset, run.shots, run.seed), run)
    return list(found.values())
