"""Where a run writes, and whether it may continue what is there."""

import contextlib
import logging
import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config

from plp.datasets import FewShot
from plp.engine.places import check_folder_target
from plp.engine.result import NAME as RESULT
from plp.errors import CheckpointError, ConfigError, Interrupted
from plp.hooks.save import STATE

logger = logging.getLogger("plp")


def default_work_dir(config: Config, few: FewShot, seed: int) -> Path:
    """Return `work_dirs/<method>/<config>/<data set>_<shots>shot_seed<seed>`."""
    file = Path(config.filename) if config.filename else Path("config.py")
    run = f"{few.name}_{few.shots}shot_seed{seed}"
    return Path("work_dirs") / file.resolve().parent.name / file.stem / run


def choose_work_dir(asked: str | Path | None, default: str | Path, resume: bool) -> Path:
    """Return the folder of this run; never one that holds another run, unless resuming.

    It is made by what is first written to it, so that a run that cannot begin leaves none.

    Without `asked`, a taken default gets a number behind it, and resuming takes the newest.

    Raises:
        ConfigError: if the folder asked for holds a run, or cannot be written.
    """
    if asked is not None:
        folder = Path(asked)
        if _taken(folder) and not resume:
            raise ConfigError(
                f"{folder} holds a run already. Add --resume to continue it, or give another "
                "--work-dir; nothing is overwritten"
            )
    else:
        folder = _numbered(Path(default), resume)
    return check_folder_target(folder, "--work-dir")


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
        saved = torch.load(path, map_location="cpu", weights_only=True)["plp"]["identity"]
    except Exception as error:
        raise CheckpointError(
            f"{path} is damaged or no state of plp ({type(error).__name__}): "
            "give another --work-dir"
        ) from error
    differing = list(differences(saved, identity))
    if differing:
        raise CheckpointError(
            f"{folder} holds another run, which this one cannot continue: "
            + "; ".join(differing[:5])
            + (f"; and {len(differing) - 5} more" if len(differing) > 5 else "")
        )
    return path


def _taken(folder: Path) -> bool:
    return any((folder / name).exists() for name in (STATE, RESULT))


def _numbered(default: Path, resume: bool) -> Path:
    number, folder, newest = 1, default, default
    while _taken(folder):
        number, newest = number + 1, folder
        folder = default.with_name(f"{default.name}_{number}")
    return newest if resume else folder


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
