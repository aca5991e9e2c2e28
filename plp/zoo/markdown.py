"""The table of short names in docs/choose_a_backbone.md: `python -m plp.zoo.markdown PAGE`."""

import sys
from pathlib import Path

from plp.zoo.table import ENTRIES

BEGIN, END = "<!-- short names: begin -->", "<!-- short names: end -->"


def table() -> str:
    """Return the short names as a table in Markdown."""
    rows = ["| name | family | full name | pixels | streams | licence of the weights |",
            "|---|---|---|---|---|---|"]  # fmt: skip
    for entry in ENTRIES.values():
        full = entry.full_name if entry.arch else entry.type
        streams = " ".join(f"`{one}`" for one in entry.streams)
        cells = (f"`{entry.name}`", entry.family, f"`{full}`", str(entry.image_size or "its files"),
                 streams, entry.licence)  # fmt: skip
        rows.append(f"| {' | '.join(cells)} |")
    return "\n".join(rows)


def with_table(page: str) -> str:
    """Return a page with the table between its two marks."""
    head, _, rest = page.partition(BEGIN)
    _, _, tail = rest.partition(END)
    return f"{head}{BEGIN}\n{table()}\n{END}{tail}"


if __name__ == "__main__":
    path = Path(sys.argv[1])
    path.write_text(with_table(path.read_text(encoding="utf-8")), encoding="utf-8")
