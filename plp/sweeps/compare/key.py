"""What a run depends on, as digests: equal keys mean that a run need not be repeated.

Six parts, so that it can be said which one changed:

- config: the settled config, without entries no number depends on. A file that its model names
  (weights) is represented by its content, the folder of the data not at all.
- data: name, classes, and the images of training, validation and test: path, label, content.
- modules: the user's own files named by `custom_imports`; of a package, all its files.
- code: plp's own sources.
- torch: its major and minor version.
- packages: likewise of the others that decide numbers: towers, decoding, the linear probe; whole
  versions of those that bring weights.

A run that starts from another one (`init_from`) depends on one more: init_from, the content of the
checkpoint it starts from.

A test of a trained run depends on two more: trained, what the run depends on; ood, the images of
out-of-distribution sets and which of them are near.
"""

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from mmengine.config import Config

from plp.config.data_options import DataOptions
from plp.config.load import choose, load_config
from plp.datasets import DataSource, FewShot, Item, Splits
from plp.datasets.duplicates import Duplicates
from plp.datasets.sampling import few_training_images
from plp.engine.build import run_seed
from plp.engine.data import draw
from plp.engine.duplicates import check_duplicates
from plp.engine.init_from import started_from
from plp.errors import CheckpointError, ConfigError
from plp.learners.sigmoid import check_model_probability
from plp.learners.without_texts import check_model_texts
from plp.ood.sets import OODSet, list_ood_sets
from plp.sweeps.compare.contents import Contents
from plp.sweeps.compare.digests import (
    checkpoint_digest,
    code_digest,
    config_digest,
    digest_of,
    modules_digest,
    packages_digest,
    torch_version,
)
from plp.sweeps.compare.job import Job, Task


def key_of(parts: Mapping[str, str]) -> str:
    """Return one digest of all parts."""
    return digest_of(parts)


class Settled(NamedTuple):
    """A job with everything decided.

    Attributes:
        config: Config as loaded, before flags.
        parts: Digests of what the run depends on.
        precision: Of the towers.
        dataset: Name of the dataset, as recipes have it; '' for one without.
        class_names: Its classes.
        shortage: Which classes have fewer images than shots; '' if none has.
        duplicates: Which content stands twice in the lists of the dataset, in sentences.
        notes: What the data source says about its lists, such as what was not read.
    """

    config: Config
    parts: dict[str, str]
    precision: str
    dataset: str
    class_names: tuple[str, ...]
    shortage: str
    duplicates: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


class _Data(NamedTuple):
    """The images of a run."""

    name: str
    digest: str
    class_names: tuple[str, ...]
    shortage: str


class Keys:
    """Settles jobs; reads each config, each dataset and each large file only once.

    Args:
        read_all: Read every image, see `Contents`.
    """

    def __init__(self, read_all: bool = False) -> None:
        self._configs: dict[Path, tuple[Config, str]] = {}
        self._sources: dict[tuple[str, str | None], _ReadOnce] = {}
        self._data: dict[tuple[Any, ...], _Data] = {}
        self._ood: dict[tuple[str, str], OODSet] = {}
        self._contents = Contents(read_all=read_all)
        self._code, self._packages = code_digest(), packages_digest()

    def settle(self, job: Job) -> Settled:
        """Decide everything about a job.

        Raises:
            PlpError: as the run itself would: if config, flags or data do not fit.
        """
        loaded, modules = self._load(job.config)
        config, source, _ = choose(loaded, job.choices)
        check_model_texts(config.model)
        check_model_probability(config.model)
        seed, options = run_seed(config), DataOptions.of(config)
        once = self._sources.setdefault((job.source, job.root), _ReadOnce(source))
        drawn = (options.shots, seed, options.sampler, options.classes, options.class_names)
        place = (job.source, job.root, *drawn)
        if place not in self._data:
            few = draw(once, options, seed)
            once.check(options)
            digest, shortage = self._data_digest(few), few_training_images(few)
            self._data[place] = _Data(few.name, digest, few.class_names, shortage)
        data = self._data[place]
        parts = {
            "config": config_digest(config),
            "data": data.digest,
            "modules": modules,
            "code": self._code,
            "torch": torch_version(),
            "packages": self._packages,
            **self._start_parts(config, data.name, options.shots, seed),
            **({} if job.task is None else self._task_parts(job.task)),
        }
        precision = config.model.get("precision", "fp32")
        return Settled(
            loaded, parts, precision, source.recipe, data.class_names, data.shortage,
            once.duplicates, once.splits().notes,
        )  # fmt: skip

    def _start_parts(self, config: Config, name: str, shots: int, seed: int) -> dict[str, str]:
        run = config.get("init_from")
        if run is None:
            return {}
        path = started_from(run, name, shots, seed)
        try:
            return {"init_from": checkpoint_digest(path)}
        except CheckpointError as error:
            raise ConfigError(
                f"init_from={path}: {error}. What runs start from is trained first, in a call of "
                "its own"
            ) from error

    def _task_parts(self, task: Task) -> dict[str, str]:
        trained = {name: digest for name, digest in task.parts.items() if name != "code"}
        sets = [self._ood_set(name, root) for name, root in task.ood.items()]
        images = [
            [one.name, one.name in task.near, one.class_names, self._describe(one.root, one.items)]
            for one in sets
        ]
        return {"trained": digest_of([trained, task.classes]), "ood": digest_of(images)}

    def _ood_set(self, name: str, root: str) -> OODSet:
        if (name, root) not in self._ood:
            (self._ood[name, root],) = list_ood_sets({name: root})
        return self._ood[name, root]

    def splits(self, job: Job) -> Splits:
        """Return the lists of the dataset of a job that has been settled."""
        return self._sources[job.source, job.root].splits()

    def remember(self) -> None:
        """Save the digests of images for the next time, now that all is settled."""
        self._contents.save()

    def load(self, file: Path) -> Config:
        """Return a config as it stands in its file."""
        return self._load(file)[0]

    def _load(self, file: Path) -> tuple[Config, str]:
        if file not in self._configs:
            config = load_config(file)
            self._configs[file] = config, modules_digest(config)
        return self._configs[file]

    def _data_digest(self, few: FewShot) -> str:
        parts = {
            part: self._describe(few.root, getattr(few, part)) for part in ("train", "val", "test")
        }
        return digest_of([few.name, few.class_names, few.shots, few.seed, few.sampler, parts])

    def _describe(self, root: Path, items: Sequence[Item]) -> list[tuple[str, int, str]]:
        digests = self._contents.of(root / item.path for item in items)
        return [
            (item.path, item.label, digest) for item, digest in zip(items, digests, strict=True)
        ]


class _ReadOnce(DataSource):
    """A data source whose images are listed once."""

    def __init__(self, source: DataSource) -> None:
        self.name = source.name
        self._source = source
        self._splits: Splits | None = None
        self._found: Duplicates | None = None

    @property
    def duplicates(self) -> tuple[str, ...]:
        """Which content stands twice in the lists, in sentences; known after `check`."""
        return self._found.notes if self._found else ()

    def check(self, options: DataOptions) -> None:
        """Look once for what stands twice in the lists, whatever is drawn from them.

        Raises:
            DataError: for an image in two classes, as the runs would.
        """
        if self._found is None:
            self._found = check_duplicates(self._source, self.splits(), None, options)

    def splits(self) -> Splits:
        """Return the images as they were found the first time."""
        if self._splits is None:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", UserWarning)
                self._splits = self._source.splits()
        return self._splits
