"""Tables of earlier calls in the folder that tables are written to: none is lost."""

import json
import logging
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

logger = logging.getLogger("plp")

SET_ASIDE = "set_aside"  # what is outdated or replaced; nothing in it is collected
# All that a comparison, a collection or a protocol writes beside its runs.
_FILES = (
    "results.json", "protocol.json", "table.md", "table.tex", "table.csv", "summary.csv",
    "runs.csv", "ood.csv", "accuracy_over_shots.png", "accuracy_over_shots.svg", "plane.png",
    "plane.svg", "report.html",
)  # fmt: skip
_LISTS = ("results.json", "protocol.json")
_SAME = ("method", "dataset", "shots", "seed", "path", "accuracy")


def keep_earlier(folder: Path, rows: Sequence[Mapping[str, Any]]) -> Path | None:
    """Move tables out of the way that hold more than what is written in their place.

    Tables are replaced where each of their runs stands in the new ones too, with the same numbers.
    Otherwise all of them, and those that no list of runs belongs to, go to `set_aside/tables`.

    Args:
        folder: Where tables are about to be written.
        rows: Entries of their runs, as `entry_of` makes them.

    Returns:
        Where the earlier ones are now; None if there are none, or nothing is lost with them.
    """
    there = [folder / name for name in _FILES if (folder / name).is_file()]
    if not there:
        return None
    earlier = _rows(folder)
    new = {_mark(row) for row in rows}
    gone = None if earlier is None else sum(_mark(row) not in new for row in earlier)
    if gone == 0:
        return None
    target = _free(folder / SET_ASIDE / "tables")
    target.mkdir(parents=True)
    for path in there:
        shutil.move(path, target / path.name)
    what = "other runs" if gone is None else f"{gone} runs that the new ones do not have"
    logger.warning("the tables that stood in %s are of %s: kept in %s", folder, what, target)
    return target


def _rows(folder: Path) -> list[Mapping[str, Any]] | None:
    """Return the rows of the tables that stand in a folder; None where nothing says them."""
    found: list[Mapping[str, Any]] = []
    lists = [folder / name for name in _LISTS if (folder / name).is_file()]
    for path in lists:
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            found += [dict(row) for key in ("runs", "ood") for row in content.get(key, [])]
        except (OSError, ValueError, TypeError, AttributeError):
            return None
    return found if lists else None


def _mark(row: Mapping[str, Any]) -> str:
    """Return what makes a row the same one; names of methods may get settings behind them."""
    same = {key: row.get(key) for key in _SAME} | {"score": row.get("score")}
    same["method"] = str(same["method"]).partition(" [")[0]
    return json.dumps(same, sort_keys=True, default=str)


def _free(target: Path) -> Path:
    number, folder = 1, target
    while folder.exists():
        number += 1
        folder = target.with_name(f"{target.name}_{number}")
    return folder
