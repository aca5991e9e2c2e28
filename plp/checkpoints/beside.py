"""Whether the checkpoint of a folder is the one that the result beside it was measured with."""

import logging
from pathlib import Path

from plp.results.stated import RESULT, stated_text

logger = logging.getLogger("plp")


def warn_of_another(checkpoint: Path, digest: str) -> None:
    """Warn where a result beside a checkpoint names another one: two runs are mixed up there.

    What the checkpoint predicts is its own; accuracies and report of the folder are not its.
    Without a result, or with one of an older plp, there is nothing to compare with.

    Args:
        checkpoint: The file.
        digest: The digest that stands in it.
    """
    stated = stated_text(checkpoint, "checkpoint_digest")
    if stated is not None and stated != digest:
        logger.warning(
            "%s is not the checkpoint that %s was measured with: accuracies and report of that "
            "folder are of another run. Put each checkpoint back beside its own result",
            checkpoint, RESULT,
        )  # fmt: skip
