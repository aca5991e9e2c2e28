"""Finished runs as rows: what tables, figures and notes need of them."""

from collections.abc import Mapping
from typing import NamedTuple

from plp.results.settings import Settings

Metrics = Mapping[str, float]


class Origin(NamedTuple):
    """Where a run comes from.

    Attributes:
        root: Folder of its dataset; '' where it is not known.
        made_by: Versions of plp and torch, and the commit of plp where it is known.
    """

    root: str
    made_by: str


class Run(NamedTuple):
    """What tables and figures need of a run.

    Attributes:
        method: Name of the method, as it stands in tables.
        dataset: Name of the dataset, as it stands in tables.
        shots: Training images per class.
        seed: Seed of draw, start and training.
        accuracy: Test accuracy in percent by line of evidence; `fused` is the method's prediction.
        seconds: Duration by stage; `train` is the training.
        learned: Number of parameters learned by gradient.
        epochs: Epochs trained.
        selection: Which epoch was tested, 'last' or 'val'.
        device: Where it ran.
        commit: Git commit of plp, if known.
        path: Folder of the run.
        config_file: Config it was started from, if known.
        key: Content hash of what the run depends on, if it was run by a comparison.
        other_code: Whether it was run by another state of plp's code than the rest.
        kind: 'run' for a training and its test, 'test' for the test of a checkpoint.
        trained_on: Dataset of the training, of a 'test'.
        validation: Accuracy on validation images as `accuracy`, where there are such images.
        backbone: Architecture, or class of the backbone.
        test_images: Number of images tested; None where it is not known.
        settings: What it was set to; None where it is not known.
        options: What its command set beside its config; None where it is not known.
        origin: Where it comes from; None where it is not known.
        repeated: Test images that are also training images, by content.
        unsolved: Largest share of transport problems of a branch that have not converged.
    """

    method: str
    dataset: str
    shots: int
    seed: int
    accuracy: Mapping[str, float]
    seconds: Mapping[str, float]
    learned: int
    epochs: int | None = None
    selection: str = "last"
    device: str = ""
    commit: str | None = None
    path: str = ""
    config_file: str | None = None
    key: str = ""
    other_code: bool = False
    kind: str = "run"
    trained_on: str | None = None
    validation: Mapping[str, float] | None = None
    backbone: str = ""
    test_images: int | None = None
    settings: Settings | None = None
    options: tuple[str, ...] | None = None
    origin: Origin | None = None
    repeated: int = 0
    unsolved: float = 0.0

    @property
    def training_seconds(self) -> float:
        """Seconds from features to a classifier: stages `fit`, `train` and `tune`."""
        return sum(self.seconds.get(stage, 0.0) for stage in ("fit", "train", "tune"))


class OODRun(NamedTuple):
    """What tables and the accuracy-robustness plane need of a test by one score.

    Attributes:
        method: Name of the method, as it stands in tables.
        dataset: Name of the in-distribution dataset.
        shots: Training images per class.
        seed: Seed of the training.
        score: The score.
        accuracy: Test accuracy of the prediction in percent.
        sets: Metrics in percent by out-of-distribution set.
        averages: Means over the sets of `near`, `far` and `all`.
        groups: Which of the two each set belongs to.
        path: Folder of the test.
        other_code: Whether it is of another state of plp's code than the rest of a comparison.
        images: Number of images by set; the in-distribution test images under `ID`.
        settings: What it was set to; None where it is not known.
        origin: Where it comes from; None where it is not known.
    """

    method: str
    dataset: str
    shots: int
    seed: int
    score: str
    accuracy: float
    sets: Mapping[str, Metrics]
    averages: Mapping[str, Metrics]
    groups: Mapping[str, str]
    path: str = ""
    other_code: bool = False
    images: Mapping[str, int] = {}
    settings: Settings | None = None
    origin: Origin | None = None
