"""Shards: the features of some views in one file, which names their keys and has a digest."""

import hashlib
import json
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, final

from safetensors import safe_open

from plp.checksums import note_unchecked
from plp.datasets.kept_tensors import KeptTensors
from plp.errors import DataError
from plp.sealed_tensors import DamagedError, pack, unpack
from plp.structures import KeptImages

SUFFIX = ".safetensors"
_LENGTH = 32  # of a short digest


def short_digest(text: str) -> str:
    """Return what folders and shards are named after: the beginning of a SHA-256."""
    return hashlib.sha256(text.encode()).hexdigest()[:_LENGTH]


def name_of(keys: Sequence[str]) -> str:
    """Return the file name of the shard of some keys."""
    return short_digest(json.dumps(list(keys))) + SUFFIX


def content_of(keys: Sequence[str], images: KeptImages) -> bytes:
    """Return what the shard of some keys holds."""
    kept = KeptTensors.of(images)
    # Clones: safetensors refuses tensors that share memory, which a backbone's streams may.
    tensors = {name: t.clone() for name, t in kept.tensors.items()}
    texts = {"keys": json.dumps(list(keys)), "grid": json.dumps(kept.grid)}
    if kept.block is not None:
        texts["block"] = json.dumps(kept.block)
    return pack({name: t.contiguous() for name, t in tensors.items()}, texts)


def open_shard(shard: Path) -> KeptTensors:
    """Return what a shard holds; tensors stay on disk until their rows are used.

    Raises:
        DataError: if it cannot be read any more.
    """
    try:
        with safe_open(shard, framework="pt") as file:
            texts = file.metadata()
            rows, columns = json.loads(texts["grid"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            return KeptTensors(tensors, (rows, columns), json.loads(texts.get("block", "null")))
    except Exception as error:  # damaged bytes make readers raise anything
        raise lost(shard, str(error)) from error


def lost(shard: Path, reason: str) -> DataError:
    """Return the error for a shard that was there and is not, or is not what it was."""
    return DataError(
        f"the feature cache lost {str(shard)!r} while a run was using it ({reason}): start the "
        "run again (--resume goes on where it was); the features are then encoded anew"
    )


def keys_of(shard: Path) -> list[str]:
    """Return the keys in a shard's header, in the order of its rows; none, with a warning, if it is
    damaged so that the header tells.
    """
    try:
        with safe_open(shard, framework="pt") as file:  # compares the size with the header's
            text = file.metadata()["keys"]
        if len(shard.stem) == _LENGTH and shard.stem != short_digest(text):
            raise ValueError("it is named after other images than it holds")
        return list(json.loads(text))
    except Exception as error:  # damaged bytes make readers raise anything
        warnings.warn(
            f"the feature cache's file {str(shard)!r} is damaged and ignored ({error}); its images "
            "are encoded anew. It may be deleted",
            stacklevel=3,
        )
        return []


def age_of(shard: Path) -> tuple[int, str]:
    """Return what shards are sorted by, the oldest first."""
    try:
        return shard.stat().st_mtime_ns, shard.name
    except OSError:  # deleted since it was listed
        return 0, shard.name


@final
class ShardChecks:
    """Whether the digests of shards fit, compared once, and again where a file has changed since.

    What one of them has found holds for all in the process.
    """

    _intact: ClassVar[dict[Path, tuple[int, ...]]] = {}  # as they were then
    _altered: ClassVar[dict[Path, tuple[int, ...]]] = {}

    def fits(self, shard: Path) -> bool:
        """Return whether a shard's digest fits; True for one that cannot be read, as `open_shard`
        will tell, and for one of an older plp without a digest, which is noted.
        """
        state = _state(shard)
        if not state or self._intact.get(shard) == state:
            return True
        if self._altered.get(shard) == state:
            return False
        try:
            if unpack(shard).digest is None:
                note_unchecked("files of the feature cache", shard)
        except OSError:
            return True
        except DamagedError:
            self._altered[shard] = state
            return False
        self._intact[shard] = state
        return True

    def is_altered(self, shard: Path) -> bool:
        """Return whether a shard is known not to fit, without a look into it."""
        return shard in self._altered and self._altered[shard] == _state(shard)

    def is_written(self, shard: Path) -> None:
        """Take a shard as it is, for it was just written."""
        self._intact[shard] = _state(shard)


def _state(shard: Path) -> tuple[int, ...]:
    """Return what changes whenever a file does; nothing for one that is gone."""
    try:
        found = shard.stat()
    except OSError:
        return ()
    return found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns
