"""Curves of a training: losses, accuracy on validation images, learning rate."""

from collections.abc import Mapping, Sequence
from typing import Any

from plp.figure_text import literal

# Okabe and Ito's colours, told apart with any colour vision.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
DASHES = ("-", "--", ":", "-.")


def draw_curves(rows: Sequence[Mapping[str, int | float]]) -> Any:
    """Draw losses, validation accuracy where it was looked at, and learning rate over epochs.

    Args:
        rows: Of `curves.jsonl`: `epoch`, `lr`, losses (`loss`, `loss_<branch>`), `val_accuracy` in
            some.

    Returns:
        A `matplotlib.figure.Figure`, bound to no display.

    Raises:
        ValueError: for no rows.
        ImportError: without matplotlib.
    """
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    if not rows:
        raise ValueError("expected an epoch or more, got none")
    looked = [row for row in rows if "val_accuracy" in row]
    panels = 3 if looked else 2
    figure = Figure(figsize=(3.3 * panels, 2.7), layout="constrained", dpi=130)
    axes = list(figure.subplots(1, panels))
    _draw_losses(axes[0], rows)
    if looked:
        shown = [row["epoch"] for row in looked], [row["val_accuracy"] for row in looked]
        axes[1].plot(*shown, color=COLOURS[0], marker="o", markersize=4)
        axes[1].set_title("accuracy on validation images, %", fontsize=9)
    epochs, rates = [row["epoch"] for row in rows], [row["lr"] for row in rows]
    axes[-1].plot(epochs, rates, color=COLOURS[0], marker=_marker(rows))
    axes[-1].set_title("learning rate", fontsize=9)
    for axis in axes:
        axis.set_xlabel("epoch", fontsize=8)
        axis.set_xlim(0, epochs[-1] + 1)
        axis.tick_params(labelsize=8)
        axis.xaxis.set_major_locator(MaxNLocator(integer=True))
        axis.grid(axis="y", color="0.88", linewidth=0.8)
        axis.spines[["top", "right"]].set_visible(False)
    return literal(figure)


def _draw_losses(axis: Any, rows: Sequence[Mapping[str, int | float]]) -> None:
    names = dict.fromkeys(name for row in rows for name in row if name.startswith("loss"))
    for i, name in enumerate(names):
        known = [row for row in rows if name in row]
        axis.plot(
            [row["epoch"] for row in known], [row[name] for row in known],
            color=COLOURS[i % len(COLOURS)], linestyle=DASHES[i % len(DASHES)],
            label=name.removeprefix("loss_"), marker=_marker(known),
        )  # fmt: skip
    axis.set_title("training loss", fontsize=9)
    axis.legend(fontsize=7, frameon=False)


def _marker(rows: Sequence[object]) -> str | None:
    """A line of one point would not be seen."""
    return "o" if len(rows) == 1 else None
