"""Which trained run a path means, and what to say where it means none; light to import."""

import os
from pathlib import Path

from plp.config.paths import SUFFIXES, method_config
from plp.errors import CheckpointError, ConfigError, DataError
from plp.text_files import read_json
from plp.wording import count

CHECKPOINT = "model.safetensors"
_STATE = "state.pth"
_MOST_LISTED = 20


def find_checkpoint(path: str | Path) -> Path:
    """Return the checkpoint that a path means: itself, or the one in a work directory.

    Raises:
        CheckpointError: for a folder of runs, naming them, and for what is no run.
        ConfigError: for a config, or a method by its name.
    """
    path = Path(path)
    if path.is_dir():
        return _in_folder(path)
    if _is_config(path):
        raise ConfigError(_no_run(path))
    if not path.is_file():
        raise CheckpointError(f"expected a checkpoint file or a work directory, nothing at {path}")
    return path


def config_and_run(given: list[str]) -> tuple[str | None, str]:
    """Return config and run of `[CONFIG] RUN`; without a config, the one in the run's record.

    Raises:
        ConfigError: for more than two.

    Example:
        >>> config_and_run(['work_dirs/run']), config_and_run(['coop', 'work_dirs/run'])
        ((None, 'work_dirs/run'), ('coop', 'work_dirs/run'))
    """
    if len(given) > 2:
        raise ConfigError(f"expected a run, or a config and a run, got {len(given)}: {given}")
    return (given[0] if len(given) == 2 else None), given[-1]


def _is_config(path: Path) -> bool:
    """Whether a path is a config, or the name of a method; other JSON files are not."""
    if path.suffix == ".json" and path.is_file():
        try:
            found = read_json(path)
        except DataError:
            return False
        return isinstance(found, dict) and "model" in found
    return path.suffix in SUFFIXES or not (path.exists() or method_config(os.fspath(path)) is None)


def _in_folder(folder: Path) -> Path:
    if (folder / CHECKPOINT).is_file():
        return folder / CHECKPOINT
    if (folder / _STATE).is_file():
        raise CheckpointError(
            f"the run in {folder} is not finished: its training goes on with --resume --work-dir "
            f"{folder}"
        )
    if runs := runs_below(folder):
        raise CheckpointError(f"{folder} is a folder of runs, name one of them:{_listed(runs)}")
    raise CheckpointError(
        f"expected a checkpoint file or a work directory, nothing at {folder / CHECKPOINT}"
    )


def runs_below(folder: Path) -> list[Path]:
    """Return the finished runs below a folder, the newest first."""
    found = [path for path in folder.rglob(CHECKPOINT) if path.is_file()]
    return [path.parent for path in sorted(found, key=lambda path: -path.stat().st_mtime)]


def _no_run(path: Path) -> str:
    """Say that a config is no run, and which runs of it there are under work_dirs."""
    config = method_config(os.fspath(path)) or path
    runs = runs_below(Path("work_dirs", config.resolve().parent.name, config.stem))
    said = f"{path} is a config: what is trained, not a trained run. "
    if runs:
        return f"{said}Give the work directory of a run, such as:{_listed(runs)}"
    return f"{said}Train it first, `plp train {path}`, then give the work directory that is named"


def _listed(runs: list[Path]) -> str:
    lines = "".join(f"\n  {run}" for run in runs[:_MOST_LISTED])
    rest = len(runs) - _MOST_LISTED
    return lines + (f"\n  and {count(rest, 'other')}" if rest > 0 else "")
