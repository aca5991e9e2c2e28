"""Accuracy over shots as a figure."""

import logging
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from plp.figure_text import drawing, literal
from plp.files import write_atomically
from plp.results.run import Run
from plp.results.summary import Summary, average_over_datasets, in_order, summarise
from plp.results.tables import AVERAGE

# Okabe and Ito's colours, told apart with any colour vision; their yellow is too pale for a line.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "*", "p", "h")
DASHES: tuple[Any, ...] = ("-", (0, (4, 1.5)), (0, (1, 1)), (0, (4, 1, 1, 1)))
_SPREAD = 0.6  # octaves that all methods take at one number of shots, and at most 0.05 between two
_COLUMNS = 3

logger = logging.getLogger("plp")

Curve = dict[int, Summary]  # by shots


def draw_accuracy_over_shots(
    runs: Sequence[Run],
    methods: Sequence[str] | None = None,
    datasets: Sequence[str] | None = None,
    line: str = "fused",
) -> Any:
    """Draw a panel for each dataset, and one for their average if there are several.

    Points are means over seeds, bars sample standard deviations; methods stand side by side at each
    number of shots so that bars do not hide each other.

    Args:
        runs: Rows.
        methods: Which, in which order; by default those of the runs. Colour, marker and dash go by
            the place in this list. One without runs is left out.
        datasets: Likewise.
        line: Line of evidence whose accuracy is drawn.

    Returns:
        A `matplotlib.figure.Figure`, bound to no display.

    Raises:
        ImportError: without matplotlib.
    """
    from matplotlib.figure import Figure

    methods = in_order(run.method for run in runs) if methods is None else tuple(methods)
    datasets = in_order(run.dataset for run in runs) if datasets is None else tuple(datasets)
    panels = _panels(runs, methods, datasets, line)
    columns = min(_COLUMNS, max(len(panels), 1))
    rows = math.ceil(len(panels) / columns)
    named = {run.method for run in runs}
    legend_rows = math.ceil(len(named.intersection(methods)) / columns)
    width, height = 3.4 * columns, 2.7 * rows + 0.24 * legend_rows + 0.25
    figure = Figure(figsize=(max(width, 4.2), height), layout="constrained", dpi=160)
    axes = figure.subplots(rows, columns, squeeze=False)
    shots = sorted({run.shots for run in runs})
    for i, axis in enumerate(axes.flat):
        if i >= len(panels):
            axis.set_visible(False)
            continue
        title, curves = panels[i]
        _draw_panel(axis, title, curves, methods, shots)
        if i % columns == 0:
            axis.set_ylabel("test accuracy, %")
        if i + columns >= len(panels):
            axis.set_xlabel("shots per class")
    _add_legend(figure, {i: name for i, name in enumerate(methods) if name in named}, columns)
    return literal(figure)


def save_figure(figure: Any, path: str | Path) -> Path:
    """Write a figure atomically, in the format of its name; the same figure, the same bytes."""
    import matplotlib

    path = Path(path)
    kind = path.suffix.lstrip(".")
    undated = {"Date": None} if kind == "svg" else None
    with drawing(), matplotlib.rc_context({"svg.hashsalt": "plp", "svg.fonttype": "none"}):
        return write_atomically(
            path, lambda temporary: figure.savefig(temporary, format=kind, metadata=undated)
        )


def save_if_possible(folder: Path, name: str, draw: Callable[[], Any]) -> list[Path]:
    """Draw and write a figure as PNG and SVG; without matplotlib, say that it is left out."""
    try:
        figure = draw()
    except ImportError:
        logger.warning(
            "no figure: matplotlib is not installed. Everything else is written; "
            "pip install matplotlib, then the same command with --table-only"
        )
        return []
    return [save_figure(figure, folder / f"{name}.{kind}") for kind in ("png", "svg")]


def _panels(
    runs: Sequence[Run], methods: Sequence[str], datasets: Sequence[str], line: str
) -> list[tuple[str, list[Curve]]]:
    """Return the panels: a title and, for each method, its points."""
    cells = summarise(runs, line)
    shots = sorted({run.shots for run in runs})
    panels = [
        (name, [{k: cells[m, name, k] for k in shots if (m, name, k) in cells} for m in methods])
        for name in datasets
    ]
    if len(datasets) > 1:
        averages = [
            {k: a for k in shots if (a := average_over_datasets(runs, m, k, datasets, line))}
            for m in methods
        ]
        title = f"{AVERAGE} of {len(datasets)}"
        panels += [(title, averages)] if any(averages) else []
    return panels


def _draw_panel(
    axis: Any, title: str, curves: Sequence[Curve], methods: Sequence[str], shots: Sequence[int]
) -> None:
    for i, curve in enumerate(curves):
        if not curve:
            continue
        shift = 2 ** (min(_SPREAD / len(methods), 0.05) * (i - (len(methods) - 1) / 2))
        axis.errorbar(
            [k * shift for k in curve],
            [cell.mean for cell in curve.values()],
            yerr=[math.nan if cell.std is None else cell.std for cell in curve.values()],
            **_style(i),
        )
    axis.set_title(title, fontsize=10)
    axis.set_xscale("log", base=2)
    axis.set_xticks(shots, [str(k) for k in shots])
    axis.set_xticks([], minor=True)
    if shots:
        axis.set_xlim(min(shots) / 1.6, max(shots) * 1.6)
    axis.grid(axis="y", color="0.88", linewidth=0.8)
    axis.set_axisbelow(True)
    axis.spines[["top", "right"]].set_visible(False)
    axis.tick_params(labelsize=9)


def _style(number: int) -> dict[str, Any]:
    return {
        "color": COLOURS[number % len(COLOURS)],
        "marker": MARKERS[number % len(MARKERS)],
        "linestyle": DASHES[number // len(COLOURS) % len(DASHES)],
        "markersize": 5,
        "linewidth": 1.4,
        "elinewidth": 1,
        "capsize": 2,
    }


def _add_legend(figure: Any, methods: Mapping[int, str], columns: int) -> None:
    from matplotlib.lines import Line2D

    handles = []
    for number, method in methods.items():
        style = _style(number)
        del style["elinewidth"], style["capsize"]
        handles.append(Line2D([], [], label=method, **style))
    figure.legend(
        handles=handles, loc="outside lower center", ncols=columns, frameon=False, fontsize=9,
        handlelength=3.2,
    )  # fmt: skip
