"""Features on disk: what a frozen tower made of a view, kept for every later run."""

import hashlib
import json
import os
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, final

import torch
from jaxtyping import Int
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from plp.datasets.claims import Claims
from plp.datasets.features import FeatureRows
from plp.errors import DataError
from plp.files import write_bytes, write_text
from plp.structures import ImageFeatures

FORMAT = 1  # of the files; a higher number leaves the files of a lower one alone
_POOLED, _DENSE = "pooled", "dense."  # names of tensors


class _Place(NamedTuple):
    """Where the features of a view are: a row of a shard."""

    shard: Path
    row: int


@final
class FeatureStore:
    """Features of views by key, in a folder that any number of processes may use at once.

    Views that were encoded together lie in one safetensors file, a shard, which names their keys. A
    shard is written beside its place and renamed when it is whole; no file is ever changed or
    deleted. So a reader never meets half of one, whatever happens to the writer. Of two shards with
    the same key the older one counts, so that what a run has read once it reads again.

    Nothing is kept in memory but the keys: `read` opens the shards of a batch and closes them.

    Args:
        folder: Folder of all stores; this one is a sub-folder named after `settings`.
        settings: What decides the features besides the key: weights, transform, and so on. Written
            to `settings.json` for a person to read.

    Example:
        >>> import tempfile
        >>> store = FeatureStore(tempfile.mkdtemp(), {'weights': 'ab12'})
        >>> store.add(['x', 'y'], ImageFeatures(torch.eye(2), {}, (7, 7)))
        >>> 'y' in store, 'z' in store
        (True, False)
        >>> store.read(['y', 'x', 'y']).pooled
        tensor([[0., 1.],
                [1., 0.],
                [0., 1.]])
    """

    def __init__(self, folder: str | Path, settings: Mapping[str, Any]) -> None:
        self._settings = json.dumps({"format": FORMAT, **settings}, indent=2, sort_keys=True)
        self.folder = Path(folder) / _digest(self._settings)
        self._places: dict[str, _Place] = {}
        self._seen: set[str] = set()
        self._damaged: dict[str, tuple[int, str]] = {}
        self.refresh()

    def __contains__(self, key: str | None) -> bool:
        return key in self._places

    def refresh(self) -> None:
        """Look which shards there are now; one that is damaged is left out, with a warning."""
        self._places, self._seen, self._damaged = {}, set(), {}
        self.catch_up()

    def catch_up(self) -> None:
        """Look at those shards only that have come since; of two with a key the known one counts.

        It lists the folder, and is meant for every batch that is encoded.
        """
        names = {name for name in _names(self.folder) if name.endswith(".safetensors")}
        for shard in sorted((self.folder / name for name in names - self._seen), key=_age):
            if self._damaged.get(shard.name) == _age(shard):
                continue
            if keys := _keys(shard):
                self._put(shard, keys)
            else:  # another process may write it anew
                self._damaged[shard.name] = _age(shard)

    def claims(self, granted: bool = False) -> Claims:
        """Return claims on keys, for those who encode; the folder must be there.

        Args:
            granted: Grant every claim, whoever has it.
        """
        return Claims(None if granted else self.folder / "claims.lock")

    def prepare(self) -> None:
        """Make the folder, if it is not there.

        Raises:
            OSError: if it cannot be written.
        """
        if not (self.folder / "settings.json").exists():
            write_text(self.folder / "settings.json", self._settings + "\n")

    def add(self, keys: Sequence[str], features: ImageFeatures) -> None:
        """Write the features of views that were encoded together; a whole shard of them stays.

        Raises:
            OSError: if the shard cannot be written (a full disk); there is none then.
            ValueError: if there are not as many keys as images.
        """
        if len(keys) != len(features.pooled):
            raise ValueError(f"expected {len(features.pooled)} keys, got {len(keys)}")
        if not keys:
            return
        dense = {_DENSE + name: stream for name, stream in features.dense.items()}
        # Clones: safetensors refuses tensors that share memory, which a backbone's streams may.
        tensors = {name: t.clone() for name, t in ({_POOLED: features.pooled} | dense).items()}
        metadata = {"keys": json.dumps(list(keys)), "grid": json.dumps(features.grid)}
        content = save({name: t.contiguous() for name, t in tensors.items()}, metadata)
        shard = self.folder / f"{_digest(metadata['keys'])}.safetensors"
        if not shard.exists() or not _keys(shard):
            write_bytes(shard, content)
        self._put(shard, keys)

    def read(self, keys: Sequence[str]) -> ImageFeatures:
        """Return the features of B views.

        Raises:
            KeyError: for a key that is not in the store.
            DataError: if a shard was removed or damaged since the last `refresh`.
        """
        places = [self._places[key] for key in keys]
        shards: dict[Path, dict[str, Tensor]] = {}
        for place in places:
            if place.shard not in shards:
                shards[place.shard], grid = _open(place.shard)
        rows = {
            name: torch.stack([shards[place.shard][name][place.row] for place in places])
            for name in shards[places[0].shard]
        }
        pooled = rows.pop(_POOLED)
        return ImageFeatures(pooled, {k.removeprefix(_DENSE): v for k, v in rows.items()}, grid)

    def _put(self, shard: Path, keys: Sequence[str]) -> None:
        self._seen.add(shard.name)
        for row, key in enumerate(keys):
            self._places.setdefault(key, _Place(shard, row))


@final
class StoredRows(FeatureRows):
    """Views of a data set whose features are read from a store when asked for.

    Args:
        store: The store; it holds all the keys.
        keys: Key of each of the V views.
    """

    def __init__(self, store: FeatureStore, keys: Sequence[str]) -> None:
        self.store = store
        self.keys = tuple(keys)

    def __len__(self) -> int:
        return len(self.keys)

    def gather(self, rows: Int[Tensor, " B"]) -> ImageFeatures:
        """Return the features of the views at `rows`."""
        return self.store.read([self.keys[row] for row in rows.tolist()])


def _open(shard: Path) -> tuple[dict[str, Tensor], tuple[int, int]]:
    """Return the tensors of a shard, which stay on disk until their rows are used."""
    try:
        with safe_open(shard, framework="pt") as file:
            rows, columns = json.loads(file.metadata()["grid"])
            return {name: file.get_tensor(name) for name in file.keys()}, (rows, columns)  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        raise DataError(
            f"the feature cache lost {str(shard)!r} while a run was using it ({error}): start the "
            "run again (--resume goes on where it was); the features are then encoded anew"
        ) from error


def _keys(shard: Path) -> list[str]:
    try:
        with safe_open(shard, framework="pt") as file:  # compares the size with the header's
            return list(json.loads(file.metadata()["keys"]))
    except (OSError, SafetensorError, TypeError, KeyError, ValueError) as error:
        warnings.warn(
            f"the feature cache's file {str(shard)!r} is damaged and ignored ({error}); its images "
            "are encoded anew. It may be deleted",
            stacklevel=3,
        )
        return []


def _names(folder: Path) -> list[str]:
    """Return what lies in a folder, fast enough for each batch; nothing if it cannot be listed."""
    try:
        return os.listdir(folder)
    except OSError:
        return []


def _age(shard: Path) -> tuple[int, str]:
    try:
        return shard.stat().st_mtime_ns, shard.name
    except OSError:  # deleted since it was listed
        return 0, shard.name


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:32]
