"""Tables as markup."""

from collections.abc import Sequence

from plp.report.html import Child, Html, join, tag
from plp.results.cells import Cell, Table
from plp.results.render import MISSING

_NUMBER = "number"


def grid(header: Sequence[Child], rows: Sequence[Sequence[Child]], caption: str = "") -> Html:
    """Return a table whose first column names the rows; a cell made by `tag('td', ...)` stays.

    Args:
        header: Names of the columns.
        rows: Cells; text and numbers as text, or whole `td` elements.
        caption: What it shows.

    Example:
        >>> print(grid(['class', 'right'], [['<a>', number('35.8')]]))
        <div class="wide"><table><thead><tr><th scope="col">class</th><th scope="col"
        class="number">right</th></tr></thead><tbody><tr><th scope="row">&lt;a&gt;</th><td
        class="number">35.8</td></tr></tbody></table></div>
    """
    named = tag("caption", caption) if caption else None
    first = [*rows[0], *[None] * len(header)] if rows else [None] * len(header)
    heads = (
        tag("th", name, scope="col", class_=_NUMBER if _is_number(cell) else None)
        for name, cell in zip(header, first, strict=False)
    )
    top = tag("thead", tag("tr", heads))
    body = tag("tbody", (_row(row) for row in rows))
    return tag("div", tag("table", named, top, body), class_="wide")


def facts(pairs: Sequence[tuple[str, Child]]) -> Html:
    """Return a table of names and what they are."""
    rows = (tag("tr", tag("th", name, scope="row"), tag("td", value)) for name, value in pairs)
    return tag("div", tag("table", tag("tbody", rows)), class_="wide")


def number(text: str) -> Html:
    """Return a cell whose digits stand below those of the next row."""
    return tag("td", text, class_=_NUMBER)


def bar(percent: float) -> Html:
    """Return a cell with a bar; the number stands in a cell of its own."""
    return tag(
        "td", tag("span", style=f"--share: {percent:.1f}%"), class_="bar", aria_hidden="true"
    )


def heat(text: str, share: float, right: bool) -> Html:
    """Return a cell of a confusion matrix, as dark as its share."""
    kind = "heat right" if right else "heat wrong"
    return tag("td", text, class_=kind, style=f"--share: {100 * min(share, 1) * 0.55:.0f}%")


def result_table(table: Table) -> Html:
    """Return a table of results with its title and notes, as `to_markdown` does."""
    rows = [[row[0] or "", *map(_cell, row[1:])] for row in table.rows]
    notes = (tag("p", note, class_="faint") for note in table.notes)
    header = [name.replace(", ", ",\xa0") for name in table.header]
    return join(tag("h3", table.title), grid(header, rows), notes)  # type: ignore[arg-type]


def _row(row: Sequence[Child]) -> Html:
    cells = (one if str(one).startswith("<td") and isinstance(one, Html) else tag("td", one)
             for one in row[1:])  # fmt: skip
    return tag("tr", tag("th", row[0], scope="row"), cells)


def _cell(cell: Cell) -> Html:
    if cell is None:
        return number(MISSING)
    if isinstance(cell, str):
        return number(cell)
    inner = tag("b", cell.text) if cell.best else cell.text
    marks = ("†" if cell.other_code else "") + (f" ({cell.remark})" if cell.remark else "")
    return tag("td", inner, marks, class_=_NUMBER)


def _is_number(cell: Child) -> bool:
    return isinstance(cell, Html) and cell.startswith(tag("td", class_=_NUMBER)[: -len("</td>")])
