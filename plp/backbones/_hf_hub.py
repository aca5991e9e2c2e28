"""A folder, or a repository of the Hugging Face hub: cached, or downloaded in safe steps."""

import re
from pathlib import Path

from huggingface_hub import HfApi, constants, snapshot_download

from plp.backbones._hf_folder import (
    INDEX,
    SMALL_FILES,
    WEIGHTS,
    CheckedFolder,
    check_folder,
    read_json,
)
from plp.backbones._openclip_hub import network_failure
from plp.errors import ConfigError, WeightsError

_REPOSITORY = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")


def find_model(name: str, revision: str | None, cache_dir: str | None) -> CheckedFolder:
    """Return the folder of a model, whole and fit for use.

    Of a repository what the cache holds is enough. Otherwise its small files are downloaded first,
    and its weights only once these have passed all checks.

    Args:
        name: Folder, or 'org/name' on the hub.
        revision: Branch, tag or commit of the repository; None for its main branch.
        cache_dir: Where the hub's files are stored; None for the usual cache.

    Raises:
        ConfigError: for a name that is neither, and as `check_folder`.
        WeightsError: if files are missing, damaged, or out of reach.
    """
    path = Path(name).expanduser()
    if path.is_dir():
        if revision is not None:
            raise ConfigError(f"{name} is a folder, which has no revision: got {revision!r}")
        return check_folder(path, str(path))
    if path.exists():
        raise ConfigError(f"expected a folder or 'org/name' on the hub, got the file {name}")
    if not _REPOSITORY.fullmatch(name):
        raise WeightsError(
            f"{name} is no folder here, and no name on the Hugging Face hub ('org/name')"
        )
    try:
        cached = Path(_snapshot(name, revision, cache_dir, True))
    except (OSError, ValueError):  # the hub's error for what is in no cache is both
        return _download(name, revision, cache_dir, "not in the local cache")
    try:
        return check_folder(cached, name)
    except WeightsError as error:
        return _download(name, revision, cache_dir, f"in the local cache, {error}")


def commit_of(folder: Path) -> str | None:
    """Return the commit that a folder of the hub's cache is a snapshot of.

    Example:
        >>> commit_of(Path('/cache/models--org--name/snapshots/5c1b')), commit_of(Path('/mine'))
        ('5c1b', None)
    """
    return folder.name if folder.parent.name == "snapshots" else None


def _download(name: str, revision: str | None, cache_dir: str | None, why: str) -> CheckedFolder:
    reason = network_failure(constants.ENDPOINT)
    if reason:
        raise _failed(name, why, reason)
    try:
        files = HfApi().list_repo_files(name, revision=revision)
        small = Path(_snapshot(name, revision, cache_dir, False, *SMALL_FILES))
    except Exception as error:  # the hub's errors differ between its versions
        raise _failed(name, why, error) from error
    check_folder(small, name, weights=False)
    if not {WEIGHTS, INDEX} & set(files):
        raise WeightsError(
            f"{name} holds no {WEIGHTS}, and plp reads no pickled weights. Its files: "
            f"{', '.join(files[:12])}"
        )
    wanted = [WEIGHTS]
    if WEIGHTS not in files:
        wanted = sorted({str(file) for file in read_json(small / INDEX)["weight_map"].values()})
    try:
        whole = Path(_snapshot(name, revision, cache_dir, False, *SMALL_FILES, *wanted))
    except Exception as error:
        raise _failed(name, why, error) from error
    return check_folder(whole, name)


def _snapshot(
    name: str, revision: str | None, cache_dir: str | None, cached: bool, *files: str
) -> str:
    return snapshot_download(
        name, revision=revision, cache_dir=cache_dir, local_files_only=cached,
        allow_patterns=list(files) or None,
    )  # fmt: skip


def _failed(name: str, why: str, problem: object) -> WeightsError:
    reason = str(problem).strip().partition("\n")[0] or type(problem).__name__
    return WeightsError(
        f"cannot get the model {name}: {why}, and {reason}. Give a folder that holds it, or run "
        f"where {constants.ENDPOINT} can be reached; `hf download {name}` fills the cache"
    )
