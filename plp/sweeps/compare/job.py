"""One run that a comparison needs, or one test of such a run."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from plp.config.choices import Choices, Classes
from plp.engine.result import NAME as RESULT
from plp.ood.folder import NAME as OOD_RESULT
from plp.wording import count


class Task(NamedTuple):
    """What is done with a trained run.

    Attributes:
        trained: Folder of the run.
        title: What is done, in words.
        parts: What the run depends on, as `Job.parts`.
        classes: How the classes tested relate to those trained, see `restore_learner`.
        recipe_of: Dataset whose recipe is applied; None for that of the dataset tested.
        ood: Folders of out-of-distribution sets by name; empty for a test of accuracy.
        near: Names of the sets that are near-OOD.
    """

    trained: Path
    title: str
    parts: Mapping[str, str]
    classes: Classes = "same"
    recipe_of: str | None = None
    ood: Mapping[str, str] = {}
    near: tuple[str, ...] = ()


class Job(NamedTuple):
    """A method on a dataset with a number of shots and a seed.

    Attributes:
        method: Name of the method in tables.
        dataset: Name of the dataset in tables.
        shots: Training images per class.
        seed: Seed of the run.
        config: Config file.
        source: Dataset as `--dataset` takes it.
        root: Its folder.
        amp: As `--amp` takes it.
        options: As `--cfg-options` takes them.
        device: Where to run.
        out: Folder of the comparison.
        path: Folder of the run below `out`.
        parts: What the run depends on, as digests; from `Keys.settle`.
        task: What is done with a run that is trained already; None for a training.
        backbone: As `--backbone` takes it; None where the config's own backbone stays.
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
    task: Task | None = None
    backbone: str | None = None

    @property
    def folder(self) -> Path:
        """Folder of the run."""
        return self.out / self.path

    @property
    def choices(self) -> Choices:
        """What differs from the config."""
        recipe_of = self.task.recipe_of if self.task else None
        options = dict(self.options)
        return Choices(
            self.source, self.root, self.shots, self.seed, self.amp, options, recipe_of,
            backbone=self.backbone,
        )  # fmt: skip

    @property
    def result(self) -> Path:
        """The file whose presence means that the job is done."""
        return self.folder / (OOD_RESULT if self.task and self.task.ood else RESULT)

    @property
    def title(self) -> str:
        """The job in words.

        Example:
            >>> rest = dict(config='', source='', root=None, amp=None, options={}, device=None)
            >>> Job('coop', 'dtd', 1, 2, **rest, out='', path='').title
            'coop dtd 1 shot seed 2'
        """
        shots = count(self.shots, "shot")
        method = f"{self.method} [{self.backbone}]" if self.backbone else self.method
        title = f"{method} {self.dataset} {shots} seed {self.seed}"
        return f"{title}, {self.task.title}" if self.task else title
