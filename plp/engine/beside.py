"""Whether the checkpoint of a folder is the one that the result beside it was measured with."""

import json
import logging
from pathlib import Path

from plp.results.run import RESULT

logger = logging.getLogger("plp")


def warn_of_another(checkpoint: Path, digest: str) -> None:
    """Warn where a result beside a checkpoint names another one: two runs are mixed up there.

    What the checkpoint predicts is its own; accuracies and report of the folder are not its.
    Without a result, or with one of an older plp, there is nothing to compare with.

    Args:
        checkpoint: The file.
        digest: The digest that stands in it.
    """
    beside = checkpoint.parent / RESULT
    try:
        stated = json.loads(beside.read_text(encoding="utf-8")).get("checkpoint_digest")
    except (OSError, ValueError, RecursionError, AttributeError):
        return  # a checkpoint on its own; a damaged result is told where it is read
    if isinstance(stated, str) and stated != digest:
        logger.warning(
            "%s is not the checkpoint that %s was measured with: accuracies and report of that "
            "folder are of another run. Put each checkpoint back beside its own result",
            checkpoint, beside.name,
        )  # fmt: skip
