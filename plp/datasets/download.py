"""Downloads by torchvision, arranged as CoOp lays the datasets out."""

import contextlib
import shutil
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from plp.datasets.benchmarks import BENCHMARKS, Benchmark, Fetched
from plp.datasets.ood_benchmarks import OOD_BENCHMARKS
from plp.datasets.published_lists import link_to
from plp.errors import DataError, UnknownComponentError, describe_os_error

_ARCHIVES = (".zip", ".tgz", ".tar", ".gz")


class Downloaded(NamedTuple):
    """What a download left.

    Attributes:
        folder: The dataset's folder.
        entries: What was put there.
        missing: What plp needs besides, and where to get it; '' for nothing.
    """

    folder: Path
    entries: tuple[str, ...]
    missing: str


def download(name: str, root: str | Path) -> Downloaded:
    """Download the images of one of the field's datasets into its folder under the data root.

    Everything is fetched and extracted in a folder `.download_NAME` of the data root, and renamed
    into place when it is whole; that folder is removed again however it ends. What the user has is
    never touched.

    Args:
        name: As `--dataset` takes it.
        root: The data root; made if it is not there.

    Raises:
        UnknownComponentError: for another name, with the known ones.
        DataError: for a set that cannot be downloaded so, with what to do by hand; if there is
            something in its place already; or if the download fails.
    """
    facts = _facts(name)
    fetched = facts.fetched
    if fetched is None:
        raise DataError(f"{name} cannot be downloaded by plp: {facts.by_hand}. Page: {facts.page}")
    target = Path(root) / facts.folder
    if (target / facts.images).exists():
        raise DataError(
            f"{name}: {str(target / facts.images)!r} is there already, and nothing is written over "
            f"it. See what is wrong with it: python tools/data.py check {name} --root {root}"
        )
    staging = Path(root) / f".download_{name}"
    if staging.exists():
        raise DataError(
            f"{str(staging)!r} is there: another download of {name} is running, or one was killed. "
            "Remove it if none is running"
        )
    staging.mkdir(parents=True)
    try:
        _fetch(name, facts, fetched, staging)
        entries = _move(name, facts, staging / fetched.folder, target)
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return Downloaded(target, entries, _missing(facts, target))


def _facts(name: str) -> Benchmark:
    if name in BENCHMARKS:
        return BENCHMARKS[name]
    if name in OOD_BENCHMARKS:
        raise DataError(f"{name} cannot be downloaded by plp: {OOD_BENCHMARKS[name].by_hand}")
    raise UnknownComponentError(f"expected a dataset among {', '.join(BENCHMARKS)}, got {name!r}")


def _fetch(name: str, facts: Benchmark, fetched: Fetched, staging: Path) -> None:
    from torchvision import datasets

    try:
        with _data_only():
            getattr(datasets, fetched.type)(str(staging), download=True)
    except DataError:
        raise
    except Exception as error:  # torchvision, urllib, tarfile, zipfile and zlib have their own
        raise DataError(
            f"{name} could not be downloaded: {_reason(error)}. Nothing was "
            f"changed. Without a network, get the archive from {facts.page} and extract it so "
            f"that {facts.folder}/{facts.images}/ has the images"
        ) from error


@contextlib.contextmanager
def _data_only() -> Iterator[None]:
    """Let `tarfile` unpack by its filter "data": nothing outside of the folder, no device, no link
    out of it. torchvision names no filter, and without one every member is trusted.

    Raises:
        DataError: in a Python that does not have the filter yet.
    """
    if not hasattr(tarfile, "data_filter"):
        raise DataError(
            "this Python unpacks archives without a check of what is in them. Expected 3.10.12, "
            "3.11.4, 3.12 or newer; or extract the archive yourself"
        )
    kind: Any = tarfile.TarFile
    before = kind.__dict__.get("extraction_filter")
    kind.extraction_filter = staticmethod(tarfile.data_filter)
    try:
        yield
    finally:
        if before is None:
            del kind.extraction_filter
        else:
            kind.extraction_filter = before


def _reason(error: Exception) -> str:
    said = describe_os_error(error) if isinstance(error, OSError) else str(error)
    return said or "no reason given"


def _move(name: str, facts: Benchmark, source: Path, target: Path) -> tuple[str, ...]:
    """Put what was fetched into place, the images last: they say that a set is there."""
    if not (source / facts.images).is_dir():
        raise DataError(
            f"{name}: torchvision left no {facts.images}/ in what it fetched. Its layout may have "
            f"changed; get the archive from {facts.page}"
        )
    entries = [path for path in sorted(source.iterdir()) if _belongs(path)]
    entries.sort(key=lambda path: path.name == facts.images)
    target.mkdir(parents=True, exist_ok=True)
    moved = [path for path in entries if not (target / path.name).exists()]
    for path in moved:
        path.rename(target / path.name)
    return tuple(path.name for path in moved)


def _belongs(path: Path) -> bool:
    return path.is_dir() or path.suffix not in _ARCHIVES


def _missing(facts: Benchmark, target: Path) -> str:
    if facts.split is None or (target / facts.split.file).is_file():
        return ""
    return (
        f"{facts.split.file} into {str(target)!r}: CoOp's split of train, val and test, "
        f"{link_to(facts.split)}"
    )
