"""One run that a comparison needs."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from plp.engine.config import Choices


class Job(NamedTuple):
    """A method on a data set with a number of shots and a seed.

    Attributes:
        method: Name of the method in tables.
        dataset: Name of the data set in tables.
        shots: Training images a class.
        seed: Seed of the run.
        config: Config file.
        source: Data set as `--dataset` takes it.
        root: Its folder.
        amp: As `--amp` takes it.
        options: As `--cfg-options` takes them.
        device: Where to run.
        out: Folder of the comparison.
        path: Folder of the run below `out`.
        parts: What the run depends on, as digests; from `Keys.parts`.
    """

    method: str
    dataset: str
    shots: int
    seed: int
    config: Path
    source: str
    root: str | None
    amp: str | None
    options: Mapping[str, Any]
    device: str | None
    out: Path
    path: Path
    parts: Mapping[str, str] = {}

    @property
    def folder(self) -> Path:
        """Folder of the run."""
        return self.out / self.path

    @property
    def choices(self) -> Choices:
        """What differs from the config."""
        return Choices(self.source, self.root, self.shots, self.seed, self.amp, dict(self.options))

    @property
    def title(self) -> str:
        """The job in words.

        Example:
            >>> rest = dict(config='', source='', root=None, amp=None, options={}, device=None)
            >>> Job('coop', 'dtd', 1, 2, **rest, out='', path='').title
            'coop dtd 1 shot seed 2'
        """
        shots = "shot" if self.shots == 1 else "shots"
        return f"{self.method} {self.dataset} {self.shots} {shots} seed {self.seed}"
