"""The accuracy-robustness plane: test accuracy against out-of-distribution detection."""

from collections.abc import Sequence
from typing import Any

from plp.figure_text import literal
from plp.results.figure import COLOURS, MARKERS
from plp.results.ood_run import ALL_SETS, OODRun
from plp.results.ood_tables import AUROC, FPR95, TITLES, by_key, label_of, over_seeds
from plp.results.summary import in_order

_BETTER = {FPR95: "better: down and right", AUROC: "better: up and right"}


def draw_plane(
    runs: Sequence[OODRun], methods: Sequence[str] | None = None, group: str = ALL_SETS
) -> Any:
    """Draw accuracy against FPR95 (ID) and against AUROC, a row of panels for each dataset.

    Large marks are means over seeds with sample standard deviations, small ones the single seeds.

    Args:
        runs: Rows, one per method, score and seed.
        methods: Which, in which order; by default those of the runs. Colour and mark go by the
            place in this list.
        group: Out-of-distribution sets averaged over: 'near', 'far' or 'all'.

    Returns:
        A `matplotlib.figure.Figure`, bound to no display.

    Raises:
        ImportError: without matplotlib.
    """
    from matplotlib.figure import Figure

    methods = in_order(run.method for run in runs) if methods is None else tuple(methods)
    runs = [run for run in runs if run.method in methods and group in run.averages]
    places = in_order((run.dataset, run.shots) for run in runs)
    labels = in_order(key for method in methods for key in by_key(runs) if key.method == method)
    names = in_order((key.method, key.score) for key in labels)
    legend_rows = -(-len(names) // 3)
    size = (8.0, 3.4 * max(len(places), 1) + 0.24 * legend_rows + 0.25)
    figure = Figure(figsize=size, layout="constrained", dpi=160)
    axes = figure.subplots(max(len(places), 1), 2, squeeze=False)
    for row, place in zip(axes, places, strict=False):
        mine = [run for run in runs if (run.dataset, run.shots) == place]
        for axis, metric in zip(row, (FPR95, AUROC), strict=True):
            _draw_panel(axis, mine, names, metric, group)
    _add_legend(figure, [label_of(_first(labels, name)) for name in names])
    return literal(figure)


def _first(keys: Sequence[Any], name: tuple[str, str]) -> Any:
    return next(key for key in keys if (key.method, key.score) == name)


def _draw_panel(
    axis: Any, runs: Sequence[OODRun], names: Sequence[tuple[str, str]], metric: str, group: str
) -> None:
    for key, rows in by_key(runs).items():
        style = _style(names.index((key.method, key.score)))
        accuracy = over_seeds(rows, lambda run: run.accuracy)
        found = over_seeds(rows, lambda run: run.averages[group][metric])
        if accuracy is None or found is None:
            continue
        axis.errorbar(
            accuracy.mean, found.mean, xerr=accuracy.std, yerr=found.std, markersize=8,
            elinewidth=1, capsize=2, linestyle="", zorder=3, **style,
        )  # fmt: skip
        axis.plot(
            [run.accuracy for run in rows], [run.averages[group][metric] for run in rows],
            linestyle="", markersize=4, alpha=0.35, zorder=2, **style,
        )  # fmt: skip
    one = runs[0]
    several = "" if group == ALL_SETS else f" {group}"
    axis.set_title(f"{one.dataset}, {one.shots} shots", fontsize=10)
    axis.set_xlabel(f"test accuracy, %   ({_BETTER[metric]})")
    axis.set_ylabel(f"{TITLES[metric]}, %, mean of{several} {len(_sets(one, group))} OOD sets")
    axis.margins(0.1)
    axis.locator_params(nbins=6)
    axis.grid(color="0.9", linewidth=0.8)
    axis.set_axisbelow(True)
    axis.spines[["top", "right"]].set_visible(False)
    axis.tick_params(labelsize=9)


def _sets(run: OODRun, group: str) -> list[str]:
    return [name for name in run.sets if group in (ALL_SETS, run.groups.get(name))]


def _style(number: int) -> dict[str, Any]:
    return {
        "color": COLOURS[number % len(COLOURS)],
        "marker": MARKERS[number % len(MARKERS)],
    }


def _add_legend(figure: Any, labels: Sequence[str]) -> None:
    from matplotlib.lines import Line2D

    handles = [
        Line2D([], [], label=label, linestyle="", markersize=7, **_style(number))
        for number, label in enumerate(labels)
    ]
    if handles:
        figure.legend(
            handles=handles, loc="outside lower center", ncols=3, frameon=False, fontsize=9
        )
