"""Features on disk: what a frozen tower made of a view, kept for every later run."""

import json
import logging
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, final

import torch
from jaxtyping import Int
from torch import Tensor

from plp.datasets.claims import Claims
from plp.datasets.features import FeatureRows
from plp.datasets.kept_tensors import KeptTensors
from plp.datasets.shards import (
    SUFFIX,
    ShardChecks,
    age_of,
    content_of,
    keys_of,
    lost,
    name_of,
    open_shard,
    short_digest,
)
from plp.files import write_bytes, write_text
from plp.structures import KeptImages

logger = logging.getLogger("plp")

FORMAT = 1  # of the files; a higher number leaves the files of a lower one alone


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

    A shard has a digest, which a process compares once, and again when the file has changed since.

    Nothing is kept in memory but the keys: `read` opens the shards of a batch and closes them.

    Args:
        folder: Folder of all stores; this one is a sub-folder named after `settings`.
        settings: What decides the features besides the key: weights, transform, and so on. Written
            to `settings.json` for a person to read.

    Example:
        >>> import tempfile
        >>> from plp.structures import ImageFeatures
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
        self.folder = Path(folder) / short_digest(self._settings)
        self._places: dict[str, _Place] = {}
        self._seen: set[str] = set()
        self._damaged: dict[str, tuple[int, str]] = {}
        self._checks = ShardChecks()
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
        names = {name for name in _names(self.folder) if name.endswith(SUFFIX)}
        for shard in sorted((self.folder / name for name in names - self._seen), key=age_of):
            if self._damaged.get(shard.name) == age_of(shard) or self._checks.is_altered(shard):
                continue
            if keys := keys_of(shard):
                self._put(shard, keys)
            else:  # another process may write it anew
                self._damaged[shard.name] = age_of(shard)

    def verify(self, keys: Iterable[str | None]) -> None:
        """Compare the digests of the shards that have some of these keys, each once a process.

        Those that do not fit are left out, with one warning; their views are missing then, and may
        be encoded anew. A shard that an older plp wrote has no digest, which is noted.
        """
        keys = list(keys)
        bad: list[Path] = []
        while found := [one for one in self._shards_of(keys) if not self._checks.fits(one)]:
            bad += found
            self.refresh()  # a younger shard may have the same keys
        if bad:
            logger.warning(
                "%d of the feature cache's files in %s %s damaged (the content does not match its "
                "digest), such as %s: left out, and their images are encoded anew where they are "
                "needed. They may be deleted", len(bad), self.folder,
                "is" if len(bad) == 1 else "are", bad[0].name, extra={"screen": True},
            )  # fmt: skip

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

    def add(self, keys: Sequence[str], features: KeptImages) -> None:
        """Write the features of views that were encoded together; a whole shard of them stays.

        Raises:
            OSError: if the shard cannot be written (a full disk); there is none then.
            ValueError: if there are not as many keys as images.
        """
        if len(keys) != (count := len(features.untuned.pooled)):
            raise ValueError(f"expected {count} keys, got {len(keys)}")
        if not keys:
            return
        shard = self.folder / name_of(keys)
        if not (shard.exists() and keys_of(shard) and self._checks.fits(shard)):
            write_bytes(shard, content_of(keys, features))
            self._checks.is_written(shard)
        self._put(shard, keys)

    def read(self, keys: Sequence[str]) -> KeptImages:
        """Return the features of B views.

        Raises:
            KeyError: for a key that is not in the store.
            DataError: if a shard was removed or damaged since the last `refresh`.
        """
        places = [self._places[key] for key in keys]
        shards: dict[Path, KeptTensors] = {}
        for place in places:
            if place.shard not in shards:
                if not self._checks.fits(place.shard):
                    raise lost(place.shard, "its content does not match its digest")
                shards[place.shard] = open_shard(place.shard)
        first = shards[places[0].shard]
        rows = {
            name: torch.stack([shards[place.shard].tensors[name][place.row] for place in places])
            for name in first.tensors
        }
        return first._replace(tensors=rows).images()

    def _shards_of(self, keys: Iterable[str | None]) -> list[Path]:
        places = (self._places.get(key) for key in keys if key is not None)
        return list(dict.fromkeys(place.shard for place in places if place is not None))

    def _put(self, shard: Path, keys: Sequence[str]) -> None:
        self._seen.add(shard.name)
        for row, key in enumerate(keys):
            self._places.setdefault(key, _Place(shard, row))


@final
class StoredRows(FeatureRows):
    """Views of a dataset whose features are read from a store when asked for.

    Args:
        store: The store; it holds all the keys.
        keys: Key of each of the V views.
    """

    def __init__(self, store: FeatureStore, keys: Sequence[str]) -> None:
        self.store = store
        self.keys = tuple(keys)

    def __len__(self) -> int:
        return len(self.keys)

    def gather(self, rows: Int[Tensor, " B"]) -> KeptImages:
        """Return the features of the views at `rows`."""
        return self.store.read([self.keys[row] for row in rows.tolist()])


def _names(folder: Path) -> list[str]:
    """Return what lies in a folder, fast enough for each batch; nothing if it cannot be listed."""
    try:
        return os.listdir(folder)
    except OSError:
        return []
