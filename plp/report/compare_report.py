"""The report of a comparison: tables, figures, and the way to each run.

`write_comparison` is `plp.results.write_outputs` with the report behind it.
"""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from plp.report.html import Child, Html, breakable, join, tag
from plp.report.leave import NAME, leave
from plp.report.page import Section, folded, page, paragraphs
from plp.report.pictures import drawn, figure
from plp.report.tables import facts, grid, number, result_table
from plp.results.cells import Table
from plp.results.ood_run import OODRun
from plp.results.render import MISSING
from plp.results.run import Run
from plp.results.write import FIGURE, PLANE, all_tables, entry_of, write_outputs

_FIRST = 60  # runs listed unfolded
_HEADER = ("method", "dataset", "shots", "seed", "accuracy,\xa0%", "training,\xa0s", "folder")
_CAPTIONS = {
    FIGURE: "Test accuracy over shots: means over seeds, bars are sample standard deviations.",
    PLANE: "Accuracy against robustness: detection of out-of-distribution images over accuracy.",
}


def write_comparison(
    folder: Path,
    runs: Sequence[Run],
    *,
    methods: Sequence[str],
    datasets: Sequence[str],
    extra: Mapping[str, Any],
    more_tables: Sequence[Table] = (),
    notes: Sequence[str] = (),
    ood: Sequence[OODRun] = (),
) -> list[Path]:
    """Write all of `write_outputs`, then `report.html`; return the files.

    Args are those of `write_outputs`; of `extra` the report shows what `compare_report` names.
    """
    files = write_outputs(
        folder, runs, methods=methods, datasets=datasets, extra=extra, more_tables=more_tables,
        notes=notes, ood=ood,
    )  # fmt: skip
    tables = [*all_tables(runs, methods, datasets, ood), *more_tables]
    report = leave(
        folder, lambda: compare_report(folder, "Comparison", tables, runs, extra, notes, ood)
    )
    return files if report is None else [*files, report]


def compare_report(
    folder: Path,
    title: str,
    tables: Sequence[Table],
    runs: Sequence[Run],
    extra: Mapping[str, Any],
    notes: Sequence[str] = (),
    ood: Sequence[OODRun] = (),
) -> str:
    """Return the report of a comparison as a document.

    Args:
        folder: Where it will stand, with the figures as PNG; links to runs are relative to it.
        title: What was compared.
        tables: In their order.
        runs: The rows they are made of.
        extra: `environment`, `failures` by run, titles of runs that are `missing`, `command`; any
            of them may be missing.
        notes: Sentences put in front of the tables.
        ood: Rows of out-of-distribution detection.
    """
    rows: list[Run | OODRun] = [*runs, *ood]
    sections = [
        Section("tables", "Tables", join(paragraphs(*notes), map(result_table, tables))),
        *_figures(folder),
        *_missing(extra),
        Section("runs", "Runs", _runs(folder, rows)),
        Section("settings", "Settings", _settings(folder, runs, extra)),
        Section("reproduce", "How to reproduce", _command(extra)),
    ]
    methods, datasets = (len({getattr(row, key) for row in rows}) for key in ("method", "dataset"))
    lead = paragraphs(f"Methods: {methods}. Datasets: {datasets}. Runs: {len(rows)}.")
    author = f"Written by plp {extra.get('environment', {}).get('plp', '')}".rstrip()
    foot = f"{author}. Links lead to the folders of the runs, as they lay then."
    return page(title, lead, sections, foot)


def _figures(folder: Path) -> list[Section]:
    shown = [
        figure(drawn((folder / f"{name}.png").read_bytes(), 1.6), caption, caption)
        for name, caption in _CAPTIONS.items()
        if (folder / f"{name}.png").is_file()
    ]
    return [Section("figures", "Figures", join(shown))] if shown else []


def _missing(extra: Mapping[str, Any]) -> list[Section]:
    """Return what the tables lack: runs that failed, with the reason, and runs not done yet."""
    failures, missing = extra.get("failures") or {}, extra.get("missing") or []
    others = [title for title in missing if title not in failures]
    lines: list[Child] = [join(tag("b", run), ": ", reason) for run, reason in failures.items()]
    lines += [f"{run}: no result yet" for run in others]
    if not lines:
        return []
    told = tag("ul", (tag("li", line) for line in lines))
    return [Section("missing", f"Missing runs ({len(lines)})", told)]


def _runs(folder: Path, runs: Sequence[Run | OODRun]) -> Html:
    rows = [_row(folder, run) for run in runs]
    rest = rows[_FIRST:]
    more = folded(f"The other {len(rest)} runs", grid(_HEADER, rest)) if rest else None
    return join(grid(_HEADER, rows[:_FIRST]), more)


def _row(folder: Path, run: Run | OODRun) -> list[Child]:
    detection = isinstance(run, OODRun)
    accuracy = run.accuracy if isinstance(run, OODRun) else run.accuracy["fused"]
    trained = isinstance(run, Run) and "train" in run.seconds
    seconds = f"{run.training_seconds:.1f}" if trained else MISSING  # type: ignore[union-attr]
    return [
        run.method, f"{run.dataset} (OOD)" if detection else run.dataset, number(str(run.shots)),
        number(str(run.seed)), number(f"{accuracy:.2f}"), number(seconds), _way(folder, run.path),
    ]  # fmt: skip


def _way(folder: Path, path: str) -> Child:
    """Return links from the report to a run's folder, and to its own report if it has one."""
    if not path:
        return MISSING
    relative = Path(os.path.relpath(Path(path).resolve(), folder.resolve())).as_posix()
    links = [tag("a", breakable(relative), href=quote(f"{relative}/"))]
    if (Path(path) / NAME).is_file():
        links += [Html(" · "), tag("a", "report", href=quote(f"{relative}/{NAME}"))]
    return links


def _settings(folder: Path, runs: Sequence[Run], extra: Mapping[str, Any]) -> Html:
    configs = {run.method: entry_of(run, folder)["config_file"] for run in runs if run.config_file}
    rows: list[tuple[str, Child]] = [
        (f"config of {method}", tag("code", file)) for method, file in configs.items()
    ]
    rows += [(key.replace("_", " "), str(v)) for key, v in extra.get("environment", {}).items()]
    return facts(rows)


def _command(extra: Mapping[str, Any]) -> Html:
    told = (
        "plp compare and plp protocol skip runs that are done; a change of config, images, code or "
        "torch makes them run again."
    )
    if not extra.get("command"):
        return paragraphs("Started from Python; each run's folder says what it was.")
    return join(tag("pre", tag("code", extra["command"])), paragraphs(told))
