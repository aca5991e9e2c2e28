"""Tables as Markdown and as LaTeX."""

import re
from collections.abc import Iterable

from plp.results.cells import Cell, Table, Value

MISSING = "–"


def to_markdown(table: Table) -> str:
    """Write a table in Markdown.

    Example:
        >>> rows = (('coop', Value(68.14, 1.26, best=True)), ('zeroshot', None))
        >>> print(to_markdown(Table('16 shots', ('method', 'dtd'), rows)))
        ## 16 shots
        <BLANKLINE>
        | method | dtd |
        | :--- | ---: |
        | coop | **68.1 ± 1.3** |
        | zeroshot | – |
        <BLANKLINE>
    """
    lines = [f"## {table.title}", "", _bar(map(_escape_markdown, table.header))]
    lines.append(_bar([":---"] + ["---:"] * (len(table.header) - 1)))
    lines += [_bar(map(_markdown, row)) for row in table.rows]
    for note in table.notes:
        lines += ["", note]
    return "\n".join(lines) + "\n"


def to_latex(table: Table) -> str:
    r"""Write a table in LaTeX, for the package booktabs.

    Example:
        >>> rows = (('my_method', Value(68.14, 1.26)),)
        >>> print(to_latex(Table('16 shots', ('method', 'dtd'), rows)))
        \begin{table}
          \centering
          \caption{16 shots.}
          \begin{tabular}{lr}
            \toprule
            method & dtd \\
            \midrule
            my\_method & $68.1 \pm 1.3$ \\
            \bottomrule
          \end{tabular}
        \end{table}
        <BLANKLINE>
    """
    caption = " ".join(escape_latex(text) for text in (f"{table.title}.", *table.notes))
    lines = [
        r"\begin{table}",
        r"  \centering",
        rf"  \caption{{{caption}}}",
        rf"  \begin{{tabular}}{{l{'r' * (len(table.header) - 1)}}}",
        r"    \toprule",
        f"    {' & '.join(map(escape_latex, table.header))} \\\\",
        r"    \midrule",
        *(f"    {' & '.join(map(_latex, row))} \\\\" for row in table.rows),
        r"    \bottomrule",
        r"  \end{tabular}",
        r"\end{table}",
    ]
    return "\n".join(lines) + "\n"


_LATEX = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "–": "--",
    "±": r"$\pm$",
    "†": r"$^{\dagger}$",
    **{sign: rf"\{sign}" for sign in "&%$#_{}"},
}


def escape_latex(text: str) -> str:
    r"""Return text that LaTeX prints as it is.

    Example:
        >>> escape_latex('R&D_100%')
        'R\\&D\\_100\\%'
    """
    return re.sub("|".join(map(re.escape, _LATEX)), lambda found: _LATEX[found[0]], text)


def _latex(cell: Cell) -> str:
    if cell is None:
        return escape_latex(MISSING)
    if isinstance(cell, str):
        return escape_latex(cell)
    inner = f"{cell.mean:.{cell.digits}f}"
    if cell.std is not None:
        inner += rf" \pm {cell.std:.{cell.digits}f}"
    inner = rf"\mathbf{{{inner}}}" if cell.best else inner
    dagger = r"^{\dagger}" if cell.other_code else ""
    return f"${inner}{dagger}$" + (f" ({escape_latex(cell.remark)})" if cell.remark else "")


def _markdown(cell: Cell) -> str:
    if cell is None:
        return MISSING
    return _number(cell) if isinstance(cell, Value) else _escape_markdown(cell)


def _number(value: Value) -> str:
    inner = f"**{value.text}**" if value.best else value.text
    inner += "†" if value.other_code else ""
    return f"{inner} ({value.remark})" if value.remark else inner


def _escape_markdown(text: str) -> str:
    return re.sub(r"([\\|*`<]|\b_|_\b)", r"\\\1", text)


def _bar(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cells) + " |"
