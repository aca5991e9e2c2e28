"""Running what is missing of a protocol and writing its tables."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from plp.files import write_text
from plp.package import git_commit, versions
from plp.report.compare_report import compare_report
from plp.report.leave import leave
from plp.results.cells import Table
from plp.results.csv_text import ood_to_csv, runs_to_csv
from plp.results.earlier import keep_earlier
from plp.results.figure import save_if_possible
from plp.results.ood_run import OODRun, read_ood_run
from plp.results.ood_tables import ood_tables
from plp.results.plane import draw_plane
from plp.results.protocol_tables import base_to_new_tables, transfer_tables
from plp.results.published import published_protocol
from plp.results.run import Run, read_run
from plp.results.schema import VERSION
from plp.results.write import entry_of, remarks_on, to_text
from plp.sweeps.compare.compare import check_workers, only_one, run_missing, tell_notes
from plp.sweeps.compare.key import key_of
from plp.sweeps.compare.state import Kind, is_done, state_of
from plp.sweeps.protocols.plan import (
    BASE_TO_NEW,
    OOD,
    Asked,
    ProtocolPlan,
    plan_protocol,
    refuse_bound_methods,
)


class Finished(NamedTuple):
    """What a protocol left.

    Attributes:
        runs: Trainings and tests of accuracy that are done, as rows.
        ood: Tests of out-of-distribution detection that are done, as rows.
        failures: What went wrong, by the title of the job.
        missing: Titles of the jobs without a result, failed ones among them.
        files: Tables and figures.
    """

    runs: list[Run]
    ood: list[OODRun]
    failures: dict[str, str]
    missing: list[str]
    files: list[Path]


def run_protocol(
    asked: Asked,
    *,
    jobs: int | None = None,
    reuse_other_code: bool = False,
    table_only: bool = False,
    published: bool = False,
    command: str | None = None,
) -> Finished:
    """Train what is missing, test what has been trained, then write tables.

    Args:
        asked: What is to be done.
        jobs: Worker processes, see `compare`.
        reuse_other_code: Let runs count that differ in nothing but plp's own code; they are marked.
        table_only: Run nothing.
        published: Put tables of published numbers after ours.
        command: The command line that asked for it, for the report.

    Raises:
        PlpError: for anything a user can mend, methods that cannot take part among them; the
            failure of a single job is recorded instead.
    """
    workers = check_workers(jobs)
    plan = plan_protocol(asked)
    failures: dict[str, str] = {}
    if table_only:
        return _write(plan, failures, reuse_other_code, published, command)
    refuse_bound_methods(plan)
    plan.trainings.out.mkdir(parents=True, exist_ok=True)
    tell_notes(plan.trainings)
    with only_one(plan.trainings.out):
        try:
            _run(plan, workers, failures, reuse_other_code)
        finally:
            finished = _write(plan, failures, reuse_other_code, published, command)
    return finished


def _run(
    plan: ProtocolPlan, workers: int | None, failures: dict[str, str], reuse_other_code: bool
) -> None:
    device = plan.trainings.device
    run_missing(plan.trainings.jobs, device, workers, failures, reuse_other_code)
    trained = {
        job.folder for job in plan.trainings.jobs if is_done(state_of(job), reuse_other_code)
    }
    ready = [job for job in plan.tests if job.task and job.task.trained in trained]
    run_missing(ready, device, workers, failures, reuse_other_code)


def _write(
    plan: ProtocolPlan,
    failures: dict[str, str],
    reuse_other_code: bool,
    published: bool,
    command: str | None,
) -> Finished:
    """Write tables of what counts."""
    runs: list[Run] = []
    ood: list[OODRun] = []
    missing: list[str] = []
    for job in (*plan.trainings.jobs, *plan.tests):
        state = state_of(job)
        other = state.kind is Kind.OTHER_CODE
        if not is_done(state, reuse_other_code):
            missing.append(job.title)
        elif job.task and job.task.ood:
            ood.append(read_ood_run(job.result, job.method, job.dataset, other_code=other))
        else:
            key = key_of(state.parts)
            runs.append(read_run(job.result, job.method, job.dataset, key=key, other_code=other))
    files: list[Path] = []
    if runs or ood or failures:
        files = _files(plan, runs, ood, failures, missing, published, command)
    return Finished(runs, ood, failures, missing, files)


def _tables(plan: ProtocolPlan, runs: Sequence[Run], ood: Sequence[OODRun]) -> list[Table]:
    methods = plan.trainings.methods
    if plan.protocol == BASE_TO_NEW:
        return base_to_new_tables(runs, methods, plan.datasets)
    if plan.protocol == OOD:
        return ood_tables(ood, methods, plan.datasets, plan.targets)
    trained = {str(job.folder): job.dataset for job in plan.trainings.jobs}
    sources = {
        str(job.folder): trained[str(job.task.trained)] for job in plan.tests if job.task
    } | trained
    return transfer_tables(runs, sources, methods, plan.datasets, plan.targets)


def _files(
    plan: ProtocolPlan,
    runs: Sequence[Run],
    ood: Sequence[OODRun],
    failures: dict[str, str],
    missing: list[str],
    published: bool,
    command: str | None,
) -> list[Path]:
    out, notes = plan.trainings.out, plan.trainings.notes
    title, tables = f"Protocol {plan.protocol}", _tables(plan, runs, ood)
    if published:
        tables += published_protocol(plan.protocol)
    content: dict[str, Any] = {
        "schema_version": VERSION,
        "protocol": plan.protocol,
        "environment": {**versions(), "git_commit": git_commit(), "device": plan.trainings.device},
        "failures": failures,
        "missing": missing,
        "options": list(plan.trainings.options),
        "notes": list(notes),
        **({"command": command} if command else {}),
        "runs": [entry_of(run, out) for run in runs],
        "ood": [entry_of(one, out) for one in ood],
    }
    keep_earlier(out, [*content["runs"], *content["ood"]])
    paths = [entry["path"] for entry in content["runs"]]
    local = [run._replace(path=path) for run, path in zip(runs, paths, strict=True)]
    texts = {
        "protocol.json": json.dumps(content, indent=1, ensure_ascii=False, default=str) + "\n",
        "runs.csv": runs_to_csv(local),
        **({"ood.csv": ood_to_csv(ood)} if ood else {}),
        **to_text(tables, title, [*remarks_on(content), *notes]),
    }
    files = [write_text(out / name, text) for name, text in texts.items()]
    if ood:
        files += save_if_possible(out, "plane", lambda: draw_plane(ood, plan.trainings.methods))
    report = leave(out, lambda: compare_report(out, title, tables, runs, content, notes, ood))
    return files if report is None else [*files, report]
