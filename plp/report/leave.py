"""Writing a report behind results that are safe already: what goes wrong is told, no more."""

import logging
from collections.abc import Callable
from pathlib import Path

from plp.errors import describe_os_error
from plp.files import write_text

NAME = "report.html"

logger = logging.getLogger("plp")


def leave(folder: Path, make: Callable[[], str]) -> Path | None:
    """Write `report.html`, atomically.

    Args:
        folder: Where to.
        make: Returns the document.

    Returns:
        The file; None if something went wrong, which is told in a line.
    """
    try:
        return write_text(folder / NAME, make())
    except OSError as error:  # a full disk: results are written
        logger.warning("no report: %s", describe_os_error(error))
        return None
    except Exception as error:  # of drawing, of reading images: results are written
        first = str(error).partition("\n")[0]
        logger.warning("no report: %s: %s", type(error).__name__, first)
        return None
