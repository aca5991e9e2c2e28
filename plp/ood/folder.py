"""Where a test of out-of-distribution detection writes."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from plp.checkpoints import checkpoint as checkpoints
from plp.engine.one_writer import FolderLock, busy
from plp.engine.places import check_folder_target
from plp.errors import ConfigError

NAME = "ood.json"

_WHAT, _FLAG = "test", "--out"


@contextlib.contextmanager
def own_ood_folder(out: str | Path | None, checkpoint: str | Path) -> Iterator[Path]:
    """Choose the folder of a test and keep other tests out of it until this ends.

    Args:
        out: The folder asked for; None: `ood` beside the checkpoint, numbered where that is taken
            or a link.
        checkpoint: Checkpoint file, or the work directory of its run.

    Raises:
        ConfigError: if the folder asked for holds a test, another is writing to it, or it cannot be
            written.
        CheckpointError: if there is no checkpoint to name a folder after.
    """
    lock = _beside(Path(checkpoint)) if out is None else _asked(Path(out))
    try:
        yield lock.folder
    finally:
        lock.give_back()


def _asked(folder: Path) -> FolderLock:
    check_folder_target(folder, _FLAG)
    if (folder / NAME).exists():
        raise ConfigError(f"{folder} holds {NAME} already. Give another --out")
    if (lock := _lock_free(folder)) is None:
        raise busy(folder, _WHAT, _FLAG)
    return lock


def _beside(checkpoint: Path) -> FolderLock:
    checkpoints.load_checkpoint(checkpoint)  # before a folder is named after it
    beside = checkpoint if checkpoint.is_dir() else checkpoint.parent
    number = 0
    while True:
        number += 1
        folder = beside / ("ood" if number == 1 else f"ood_{number}")
        # A link may come from a stranger and lead anywhere: nothing is written through it.
        if not folder.is_symlink() and (lock := _lock_free(folder)) is not None:
            return lock


def _lock_free(folder: Path) -> FolderLock | None:
    """Lock a folder that holds no test and gets none; else return None."""
    if (folder / NAME).exists():
        return None
    lock = FolderLock(check_folder_target(folder, _FLAG), _WHAT)
    if not lock.take():
        return None
    if (folder / NAME).exists():  # a test has ended there meanwhile
        lock.give_back()
        return None
    return lock
