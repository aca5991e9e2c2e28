"""One entry of a result that may not be there, for what is only said where it is known."""

import json
from pathlib import Path

RESULT = "result.json"


def stated_text(checkpoint: Path, entry: str) -> str | None:
    """Return a text that the result beside a checkpoint states; None where nothing states it.

    Neither schema nor digest are checked: a damaged result is reported where it is read.

    Args:
        checkpoint: The folder of a run, or a file in it.
        entry: Name of the entry.
    """
    folder = checkpoint if checkpoint.is_dir() else checkpoint.parent
    try:
        stated = json.loads((folder / RESULT).read_text(encoding="utf-8")).get(entry)
    except (OSError, ValueError, RecursionError, AttributeError):  # a checkpoint on its own
        return None
    return stated if isinstance(stated, str) else None
