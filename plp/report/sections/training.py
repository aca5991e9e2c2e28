"""How training went: the curves."""

from collections.abc import Mapping, Sequence

from plp.report.html import Html, join, tag
from plp.report.page import Section, folded, paragraphs
from plp.report.pictures import figure, render
from plp.report.tables import grid, number
from plp.results.render import MISSING
from plp.visualization import draw_curves

_ROWS = 200  # of the table: as a rule all epochs


def training(rows: Sequence[Mapping[str, int | float]]) -> Section:
    """Return losses, validation accuracy and learning rate over epochs.

    Args:
        rows: Of `curves.jsonl`; none for a method that learns nothing by gradient.
    """
    if not rows:
        body = paragraphs("Nothing was learned by gradient: there are no curves.")
        return Section("curves", "Curves", body)
    last = rows[-1]
    alt = f"Losses and learning rate over {len(rows)} epochs; the last loss is {last['loss']:.4g}."
    picture = render(lambda: draw_curves(rows))
    caption = "Losses: means over the steps of an epoch. Learning rate: of the first parameters."
    return Section("curves", "Curves", join(figure(picture, alt, caption), _table(rows)))


def _table(rows: Sequence[Mapping[str, int | float]]) -> Html:
    names = list(dict.fromkeys(name for row in rows for name in row if name != "epoch"))
    every = -(-len(rows) // _ROWS)
    shown = [row for i, row in enumerate(rows) if i % every == 0 or i == len(rows) - 1]
    cells = [
        [f"{row['epoch']:g}", *(number(f"{row[n]:.4g}" if n in row else MISSING) for n in names)]
        for row in shown
    ]
    header = ["epoch", *(name.replace("_", " ") for name in names)]
    more = tag("p", "Every ", str(every), ". epoch and the last.") if every > 1 else None
    return folded("The numbers", grid(header, cells), more)
