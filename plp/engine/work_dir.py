"""Where a run writes, and whether it may continue what is there."""

import contextlib
import itertools
import logging
import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from mmengine.dist import broadcast_object_list, is_main_process

from plp.config.backbone_choice import folder_part
from plp.datasets import FewShot
from plp.engine.image_contents import CONTENTS, changed_contents
from plp.engine.one_writer import FolderLock, busy
from plp.engine.places import check_folder_target
from plp.engine.result import NAME as RESULT
from plp.errors import CheckpointError, ConfigError, Interrupted, PlpError
from plp.hooks.save import STATE, check_state
from plp.zoo.names import Named

logger = logging.getLogger("plp")

_WHAT, _FLAG = "run", "--work-dir"


def default_work_dir(
    config: Config, few: FewShot, seed: int, backbone: Named | None = None
) -> Path:
    """Return `work_dirs/<method>/<config>/<dataset>_<shots>shot_seed<seed>`.

    With `--backbone`, `<config>@<backbone>`, unless that is the config's own.
    """
    file = Path(config.filename) if config.filename else Path("config.py")
    run = f"{few.name}_{few.shots}shot_seed{seed}"
    return Path("work_dirs", file.resolve().parent.name, file.stem + folder_part(backbone), run)


@contextlib.contextmanager
def own_work_dir(asked: str | Path | None, default: str | Path, resume: bool) -> Iterator[Path]:
    """Choose the folder of this run and keep other runs out of it until this ends.

    It is never one that holds another run, unless resuming. Without `asked`, a default that is
    taken gets a number behind it, and resuming takes the newest. Of several processes of one run
    the first chooses.

    Raises:
        ConfigError: if the folder asked for holds a run, another run is writing to it, or it cannot
            be written.
    """
    chosen: list[Any] = [None]
    lock = None
    try:
        if is_main_process():
            try:
                lock = _choose(asked, Path(default), resume)
                chosen = [lock.folder]
            except (PlpError, OSError) as error:  # the others must hear of it, else they wait
                chosen = [error]
        broadcast_object_list(chosen)
        if isinstance(chosen[0], Exception):
            raise chosen[0]
        yield chosen[0]
    finally:
        if lock is not None:
            lock.give_back()


def _choose(asked: str | Path | None, default: Path, resume: bool) -> FolderLock:
    """Choose a folder and lock it."""
    if asked is None and not resume:
        return _first_free(default)
    folder = _newest(default) if asked is None else Path(asked)
    lock = FolderLock(check_folder_target(folder, _FLAG), _WHAT)
    if not lock.take():
        raise busy(folder, _WHAT, _FLAG)
    if _taken(folder) and not resume:
        lock.give_back()
        raise ConfigError(
            f"{folder} holds a run already. Add --resume to continue it, or give another "
            "--work-dir; nothing is overwritten"
        )
    return lock


def _first_free(default: Path) -> FolderLock:
    """Lock the first of the default folders that holds no run and gets none."""
    return next(lock for folder in _numbered(default) if (lock := _lock_free(folder)) is not None)


def _lock_free(folder: Path) -> FolderLock | None:
    if _taken(folder):
        return None
    lock = FolderLock(check_folder_target(folder, _FLAG), _WHAT)
    if not lock.take():
        return None
    if _taken(folder):  # a run has ended there meanwhile
        lock.give_back()
        return None
    return lock


def _newest(default: Path) -> Path:
    """Return the last of the default folders that holds a run; the first if none does."""
    there = list(itertools.takewhile(Path.exists, _numbered(default)))
    return next(filter(_taken, reversed(there)), default)


@contextlib.contextmanager
def telling_what_is_kept(folder: Path) -> Iterator[None]:
    """Let Ctrl-C say how the run in a folder can go on.

    Raises:
        Interrupted: in place of Python's own.
    """
    try:
        yield
    except KeyboardInterrupt as error:
        raise Interrupted(_kept(folder)) from error


def _kept(folder: Path) -> str:
    if (folder / RESULT).is_file():
        return f"interrupted; the run in {folder} is finished, only its report is missing"
    if (folder / STATE).is_file():
        return (
            f"interrupted; {folder} keeps the run as it was after its last saved epoch. The same "
            f"command with --resume --work-dir {shlex.quote(str(folder))} goes on from there"
        )
    return f"{Interrupted.USUAL}; nothing in {folder} is worth keeping yet"


def read_state(folder: Path, identity: Mapping[str, Any], resume: bool) -> Path | None:
    """Return the state to resume from, None to start at the beginning.

    Raises:
        CheckpointError: if the state is of another run (naming what differs), or damaged.
    """
    path = folder / STATE
    if not resume:
        return None
    if not path.is_file():
        logger.warning("nothing to resume in %s: starting at the beginning", folder)
        return None
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        saved = state["plp"]["identity"]
    except Exception as error:
        raise CheckpointError(
            f"{path} is damaged or no state of plp ({type(error).__name__}): "
            "give another --work-dir"
        ) from error
    check_state(state, path)
    differing = _different_run(folder, dict(saved), dict(identity))
    if differing:
        raise CheckpointError(
            f"{folder} holds another run, which this one cannot continue: "
            + "; ".join(differing[:5])
            + (f"; and {len(differing) - 5} more" if len(differing) > 5 else "")
            + ". Give another --work-dir to start over"
        )
    return path


def _different_run(folder: Path, saved: dict[str, Any], own: dict[str, Any]) -> list[str]:
    """Say in what a state is of another run; tell of one that says nothing about its images."""
    before, now = saved.pop(CONTENTS, None), own.pop(CONTENTS, {})
    if before is None:
        logger.warning(
            "the state in %s is of an older plp, which did not write down what the shots contain: "
            "resuming without a check that they are the same images",
            folder,
        )
        before = now
    return [*changed_contents(before, now), *differences(saved, own)]


def saved_data(folder: Path) -> Mapping[str, Any] | None:
    """Return the `data` section of the run whose state is in a folder; None if there is none.

    What is wrong with a state is for `read_state` to say.
    """
    try:
        saved = torch.load(folder / STATE, map_location="cpu", weights_only=True)
        return dict(saved["plp"]["identity"]["data"])
    except Exception:
        return None


def _taken(folder: Path) -> bool:
    return any((folder / name).exists() for name in (STATE, RESULT))


def _numbered(default: Path) -> Iterator[Path]:
    yield default
    for number in itertools.count(2):
        yield default.with_name(f"{default.name}_{number}")


def differences(saved: Any, own: Any, key: str = "") -> Iterator[str]:
    """Yield where two nested settings differ, by dotted key."""
    if isinstance(saved, Mapping) and isinstance(own, Mapping):
        for name in dict.fromkeys([*saved, *own]):
            inner = f"{key}.{name}" if key else str(name)
            yield from differences(saved.get(name), own.get(name), inner)
    elif _plain(saved) != _plain(own):
        yield f"{key} was {saved!r}, is {own!r}"


def _plain(value: Any) -> Any:
    return list(map(_plain, value)) if isinstance(value, list | tuple) else value
