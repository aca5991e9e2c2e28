"""What a test of out-of-distribution detection writes: numbers, tables, figures, arrays."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np

from plp.engine.result import write_result
from plp.evaluation import CalibrationReport, OODMetrics
from plp.files import write_atomically, write_text
from plp.learners.prompt_learner import PromptLearner
from plp.ood.sets import ID, OODSet
from plp.ood.stream import Scored
from plp.results.cells import Cell, Table, Value
from plp.results.csv_text import to_csv
from plp.results.figure import save_figure
from plp.results.render import to_markdown
from plp.visualization import draw_reliability, draw_score_histograms

PERCENT = ("auroc", "aupr_in", "aupr_out", "fpr95_id", "fpr95_ood")
ALL_SETS = "all"
NOTES = (
    "Percent. FPR95 (ID): share of OOD accepted at the threshold that accepts 95 % of ID (MCM, "
    "LoCoOp, GalLoP, SOT-GLP). FPR95 (OOD): share of ID rejected at the threshold that rejects "
    "95 % of OOD (OpenOOD v1.5, pytorch-ood). They are different numbers.",
)


def average(
    by_set: Mapping[str, OODMetrics], groups: Mapping[str, str]
) -> dict[str, dict[str, float]]:
    """Return the mean of each metric over the sets of each group, and over all, sets equal."""
    members: dict[str, list[OODMetrics]] = {}
    for name, metrics in by_set.items():
        members.setdefault(groups[name], []).append(metrics)
    members[ALL_SETS] = list(by_set.values())
    return {
        group: {key: fmean(getattr(one, key) for one in found) for key in PERCENT}
        for group, found in members.items()
    }


def entries(
    inside: OODSet,
    sets: Sequence[OODSet],
    scored: Mapping[str, Scored],
    calibration: Mapping[str, CalibrationReport],
    metrics: Mapping[str, Mapping[str, OODMetrics]],
    averages: Mapping[str, Mapping[str, Mapping[str, float]]],
    groups: Mapping[str, str],
    overlaps: Mapping[str, list[str]],
) -> dict[str, Any]:
    """Return the entries of `ood.json`, documented in docs/out_of_distribution.md."""
    return {
        "in_distribution": _counts(inside, scored[ID])
        | {
            "accuracy": {line: round(one.accuracy, 4) for line, one in calibration.items()},
            "calibration": {line: _calibration(one) for line, one in calibration.items()},
        },
        "ood_sets": {
            one.name: _counts(one, scored[one.name])
            | {"group": groups[one.name], "in_distribution_classes": overlaps[one.name]}
            for one in sets
        },
        "scores": {
            name: {
                "sets": {one: _rounded(found._asdict()) for one, found in by_set.items()},
                "average": {group: _rounded(found) for group, found in averages[name].items()},
            }
            for name, by_set in metrics.items()
        },
    }


def write_outputs(
    folder: Path,
    result: Mapping[str, Any],
    sets: Sequence[OODSet],
    scored: Mapping[str, Scored],
    calibration: CalibrationReport,
) -> None:
    """Write scores.npz, figures, tables, and last `ood.json`."""
    arrays: dict[str, Any] = {}
    for one in sets:
        arrays[f"paths/{one.name}"] = _paths(one, scored[one.name])
        for name, value in scored[one.name].scores.items():
            arrays[f"{name}/{one.name}"] = value.numpy()
    _write_arrays(folder / "scores.npz", arrays)
    for name, value in scored[ID].scores.items():
        others = {one: found.scores[name] for one, found in scored.items() if one != ID}
        figure = draw_score_histograms(name, value, others, str(result["dataset"]))
        save_figure(figure, folder / f"histogram_{name}.png")
    figure = draw_reliability(calibration, f"{result['dataset']}, {calibration.num_images} images")
    save_figure(figure, folder / "reliability.png")
    tables = (_short_table(result), _long_table(result))
    write_text(folder / "table.md", "\n".join(map(to_markdown, tables)))
    write_text(folder / "table.csv", _csv(result))
    write_result(folder / "ood.json", dict(result))


def write_export(folder: Path, one: OODSet, found: Scored, learner: PromptLearner) -> None:
    """Write logits, features and labels of a set for OpenOOD, pytorch-ood and the like."""
    if found.export is None:
        raise ValueError(f"expected {one.name} scored with export=True")
    logits = found.export.logits.numpy()
    arrays = dict(
        logits=logits,
        feat=found.export.pooled.numpy(),
        label=np.array([one.items[i].label for i in found.indices.tolist()]),
        pred=logits.argmax(-1),
        paths=_paths(one, found),
        class_names=np.array(learner.class_names),
        logit_scale=np.float32(learner.backbone.logit_scale.item()),
    )
    if learner.backbone.logit_bias is not None:
        arrays["logit_bias"] = np.float32(learner.backbone.logit_bias.item())
    _write_arrays(folder / f"export_{one.name}.npz", arrays)


def table_rows(result: Mapping[str, Any]) -> list[tuple[str, str, Mapping[str, float]]]:
    """Return (score, set or average, metrics) of a result, the averages behind the sets.

    The average of one set would be its row again, and that of the only group the one of all sets.
    """
    return [
        row
        for name, entry in result["scores"].items()
        for row in (
            *((name, one, found) for one, found in entry["sets"].items()),
            *((name, f"average of {group}", entry["average"][group]) for group in averaged(result)),
        )
    ]


def averaged(result: Mapping[str, Any]) -> list[str]:
    """Return the groups of sets whose averages are shown: none for one set.

    Example:
        >>> sets = {name: {'group': group} for name, group in (('a', 'far'), ('b', 'near'))}
        >>> averaged({'ood_sets': sets}), averaged({'ood_sets': {'a': {'group': 'far'}}})
        (['near', 'far', 'all'], [])
    """
    groups = {one["group"] for one in result["ood_sets"].values()}
    if len(result["ood_sets"]) < 2:
        return []
    return [ALL_SETS] if len(groups) == 1 else ["near", "far", ALL_SETS]


def _counts(one: OODSet, found: Scored) -> dict[str, Any]:
    return {
        "root": str(one.root),
        "source": one.source,
        "images": len(found.indices),
        "unreadable": [reason for _, reason in found.unreadable],
    }


def _calibration(report: CalibrationReport) -> dict[str, Any]:
    table = zip(*(column.tolist() for column in report.table), strict=True)
    return {
        **{k: round(getattr(report, k), 4) for k in ("ece", "ece_equal_mass", "nll", "brier")},
        "confidence": round(report.confidence, 4),
        "bins": [
            {"images": images, "confidence": round(said, 6), "accuracy": round(right, 6)}
            for images, said, right in table
        ],
    }


def _rounded(values: Mapping[str, Any]) -> dict[str, Any]:
    return {k: round(v, 4) if isinstance(v, float) else v for k, v in values.items()}


def _short_table(result: Mapping[str, Any]) -> Table:
    first = next(iter(result["scores"].values()))
    columns = [("sets", one) for one in first["sets"]]
    columns += [("average", group) for group in averaged(result)]
    header = ("score", *(n if kind == "sets" else f"average of {n}" for kind, n in columns))
    rows = tuple(
        (name, *(f"{c['fpr95_id']:.1f} / {c['auroc']:.1f}" for c in (e[k][n] for k, n in columns)))
        for name, e in result["scores"].items()
    )
    return Table("FPR95 (ID) / AUROC", header, rows)


def _long_table(result: Mapping[str, Any]) -> Table:
    header = ("score, set", "AUROC", "AUPR in", "AUPR out", "FPR95 (ID)", "FPR95 (OOD)")
    rows: tuple[tuple[Cell, ...], ...] = tuple(
        (f"{name}, {one}", *(Value(found[key], digits=2) for key in PERCENT))
        for name, one, found in table_rows(result)
    )
    return Table("All metrics", header, rows, NOTES)


def _csv(result: Mapping[str, Any]) -> str:
    rows: list[tuple[Any, ...]] = []
    for name, entry in result["scores"].items():
        for one, found in entry["sets"].items():
            group = result["ood_sets"][one]["group"]
            counts = (found["num_id"], found["num_ood"])
            rows.append((name, one, group, *(found[key] for key in PERCENT), *counts))
        for group in averaged(result):
            found = entry["average"][group]
            rows.append((name, "average", group, *(found[key] for key in PERCENT), "", ""))
    return to_csv(("score", "set", "group", *PERCENT, "num_id", "num_ood"), rows)


def _paths(one: OODSet, found: Scored) -> np.ndarray:
    return np.array([one.items[i].path for i in found.indices.tolist()])


def _write_arrays(path: Path, arrays: Mapping[str, Any]) -> None:
    def write(temporary: Path) -> None:
        with open(temporary, "wb") as file:  # given a name, numpy would add a suffix to it
            np.savez_compressed(file, **arrays)

    write_atomically(path, write)
