"""The transformers library: imported when first needed, quiet, its errors in one message each."""

import contextlib
import logging
from collections.abc import Iterator
from typing import Any

from plp.backbones._hf_folder import CheckedFolder
from plp.errors import ConfigError
from plp.towers.missing import missing_package

_INSTALL = "pip install 'plp[hub]'"


@contextlib.contextmanager
def quiet_library() -> Iterator[None]:
    """Keep the library from logging below errors, and from drawing progress bars."""
    logger = logging.getLogger("transformers")
    level = logger.level
    bars = of_library("utils").logging
    shown = bars.is_progress_bar_enabled()
    logger.setLevel(logging.ERROR)
    bars.disable_progress_bar()
    try:
        yield
    finally:
        logger.setLevel(level)
        if shown:
            bars.enable_progress_bar()


def of_library(name: str) -> Any:
    """Return something of the transformers library, imported when first needed."""
    try:
        import transformers
    except ImportError as error:
        raise ConfigError(
            f"TransformersBackbone needs the transformers library: {_INSTALL}"
        ) from error
    try:
        return getattr(transformers, name)
    except (AttributeError, ImportError) as error:
        raise ConfigError(
            f"the installed transformers {transformers.__version__} has no {name}: {_INSTALL}"
        ) from error


@contextlib.contextmanager
def reading(folder: CheckedFolder, part: str, kind: type[Exception]) -> Iterator[None]:
    """Turn whatever the library raises about a file into one message."""
    try:
        yield
    except Exception as error:  # it raises whatever it likes
        reason = str(error).strip().partition("\n")[0]
        raise kind(
            f"{folder.name}: the transformers library cannot read its {part} "
            f"({type(error).__name__}: {reason}).{missing_package(error)}"
        ) from error
