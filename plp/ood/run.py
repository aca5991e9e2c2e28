"""Out-of-distribution detection of a trained learner: the function behind `tools/ood.py`."""

import logging
import time
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from mmengine.config import Config

from plp.config.choices import Choices
from plp.config.data_options import DataOptions
from plp.datasets import ImageDataset
from plp.datasets.pixel_notes import later_notes
from plp.engine.data import transform_for
from plp.engine.restore import Restored, restore_learner
from plp.engine.result import Stopwatch, describe_run, peak_memory
from plp.engine.transport import transport_entries, warn_of_transport, watching_transport
from plp.errors import ConfigError
from plp.evaluation import CalibrationReport, OODMetrics, calibration_report, ood_metrics
from plp.evaluation.finite import PREDICTION, check_logits, check_scores
from plp.features.cache import cache_folder
from plp.learners.prompt_learner import PromptLearner
from plp.ood.cache import Stored, store_features
from plp.ood.duplicates import find_duplicates_of_sets
from plp.ood.folder import own_ood_folder
from plp.ood.report import average, entries, write_export, write_outputs
from plp.ood.sets import ID, OODSet, list_ood_sets, shared_classes
from plp.ood.stream import OnError, Scored, score_images
from plp.scoring.choose import ALL, Scoring, choose_scores, settings_of
from plp.transforms.base import Transform
from plp.wording import count

NEAR, FAR = "near", "far"

logger = logging.getLogger("plp")


class OODResult(NamedTuple):
    """What was found.

    Attributes:
        metrics: Detection quality by score, then by set.
        averages: Means over the sets by score, then over `near`, `far` and `all`.
        calibration: Calibration on the in-distribution images by line of evidence; `fused` is the
            prediction.
        result: What stands in `ood.json`.
        folder: Where everything was written.
    """

    metrics: dict[str, dict[str, OODMetrics]]
    averages: dict[str, dict[str, dict[str, float]]]
    calibration: dict[str, CalibrationReport]
    result: dict[str, Any]
    folder: Path


def evaluate_ood(
    config: str | Path | Config,
    checkpoint: str | Path,
    ood: Mapping[str, str | Path],
    choices: Choices | None = None,
    *,
    near: Collection[str] = (),
    scores: Sequence[str] = (ALL,),
    temperature: float | None = None,
    pooled: str | None = None,
    dense: str | None = None,
    on_error: OnError | None = None,
    export_logits: bool = False,
    out: str | Path | None = None,
    device: str | None = None,
) -> OODResult:
    """Test how well a checkpoint tells its test images from images of other kinds.

    Args:
        config: Config or config file the checkpoint was trained with.
        checkpoint: Checkpoint file, or the work directory of its run.
        ood: Folders of out-of-distribution images by name, see `list_ood_set`. No image is left out
            because its class is also an in-distribution class; classes of the same name are named.
        choices: What differs from the config.
        near: Names of the sets that are near-OOD; the others are far-OOD.
        scores: Registered scores, 'all' for every one that the learner's branches allow.
        temperature: Of all scores that have one; None for each score's own.
        pooled: Branch that MCM and its kin take the image's cosines from, see `choose_scores`.
        dense: Branch that they take patches from.
        on_error: 'stop' at an image that cannot be read, or 'skip' it, name it and count it; None:
            as `data.on_error` of the config says.
        export_logits: Also write logits and pooled features of every set.
        out: Folder to write to; None: `ood` beside the checkpoint, numbered where that is taken.
        device: Such as 'cpu' or 'cuda:1'.

    Raises:
        PlpError: for anything a user can mend.
    """
    with own_ood_folder(out, checkpoint) as folder:
        return _evaluate(
            folder, config, checkpoint, ood, choices, near=near, scores=scores,
            temperature=temperature, pooled=pooled, dense=dense, on_error=on_error,
            export_logits=export_logits, device=device,
        )  # fmt: skip


def _evaluate(
    folder: Path,
    config: str | Path | Config,
    checkpoint: str | Path,
    ood: Mapping[str, str | Path],
    choices: Choices | None,
    *,
    near: Collection[str],
    scores: Sequence[str],
    temperature: float | None,
    pooled: str | None,
    dense: str | None,
    on_error: OnError | None,
    export_logits: bool,
    device: str | None,
) -> OODResult:
    """Test, and write to a folder; see `evaluate_ood`."""
    watch = Stopwatch()
    sets = list_ood_sets(ood)
    if strangers := [name for name in near if name not in ood]:
        raise ConfigError(f"expected --near among {', '.join(ood)}, got {', '.join(strangers)}")
    notes = tuple(note for one in sets for note in one.notes)
    restored = restore_learner(config, checkpoint, choices, device)
    setup, learner = restored.setup, restored.learner
    for note in notes:
        logger.warning("%s", note)
    on_error = on_error or setup.options.on_error
    scorings = choose_scores(learner, scores, temperature, pooled, dense)
    overlaps = _tell_overlaps(setup.few.class_names, sets)
    inside = OODSet(ID, setup.few.root, setup.few.test, setup.few.class_names, setup.few.name)
    repeated = find_duplicates_of_sets(inside, sets, restored.shots)
    for note in repeated.notes:
        logger.warning("%s", note)
    transform = transform_for(learner.backbone, setup.options.eval_transform)
    export_to = folder if export_logits else None
    with watching_transport() as transport:
        scored, seconds = _score_sets(
            restored, scorings, transform, (inside, *sets), on_error, export_to
        )
    unsolved = warn_of_transport(transport, learner)
    metrics = {
        name: {one.name: ood_metrics(value, scored[one.name].scores[name]) for one in sets}
        for name, value in scored[ID].scores.items()
    }
    groups = {one.name: NEAR if one.name in near else FAR for one in sets}
    averages = {name: average(by_set, groups) for name, by_set in metrics.items()}
    calibration = {line: calibration_report(one) for line, one in scored[ID].judged.items()}
    found = entries(inside, sets, scored, calibration, metrics, averages, groups, overlaps)
    for name, scoring in scorings.items():
        found["scores"][name] = settings_of(scoring) | found["scores"][name]
    for name, counts in repeated.counts.items():
        found["ood_sets"][name]["duplicates"] = counts
    run = _describe(restored, repr(transform), notes)
    result = run | {
        "checkpoint": str(checkpoint),
        "on_error": on_error,
        "transport": transport_entries(transport),
        "notes": [*run["notes"], *repeated.notes, *unsolved],
        "duplicates": setup.duplicates.counts,
        "seconds": seconds,
        "processor_seconds": watch.processor_seconds(),
        "peak_memory": peak_memory(setup.device),
        **found,
    }
    write_outputs(folder, result, (inside, *sets), scored, calibration[PREDICTION])
    return OODResult(metrics, averages, calibration, result, folder)


def _score_sets(
    restored: Restored,
    scorings: Mapping[str, Scoring],
    transform: Transform,
    sets: Sequence[OODSet],
    on_error: OnError,
    export_to: Path | None,
) -> tuple[dict[str, Scored], dict[str, float]]:
    """Score set after set; return what was found and the seconds taken, by set."""
    setup, learner = restored.setup, restored.learner
    scored: dict[str, Scored] = {}
    seconds: dict[str, float] = {}
    for one in sets:
        begin = time.monotonic()
        images = ImageDataset(
            one.items, one.root, transform, seed=setup.seed, **setup.options.reading._asdict()
        )
        logger.info("%s: %s (%s)", one.name, count(len(images), "image"), one.source)
        size, workers = setup.options.eval_batch_size, setup.options.num_workers
        cache = cache_folder(setup.options.feature_cache)
        stored = _stored(learner, images, cache, setup.options) if cache else None
        found = score_images(
            learner, scorings, images, batch_size=size, num_workers=workers, stored=stored,
            labelled=one.name == ID, on_error=on_error, export=export_to is not None,
            what=one.name,
        )  # fmt: skip
        for note in later_notes(found.traits, len(images), images.reading):
            logger.warning("%s: %s", one.name, note)
        check_logits(found.not_finite, f"images of {one.name}")
        check_scores(found.scores, f"images of {one.name}")
        if export_to is not None:
            write_export(export_to, one, found, learner)
        scored[one.name] = found._replace(export=None)
        seconds[one.name] = round(time.monotonic() - begin, 2)
    return scored, seconds


def _stored(
    learner: PromptLearner, images: ImageDataset, cache: Path, options: DataOptions
) -> Stored | None:
    return store_features(
        learner, images, cache, options.eval_batch_size, options.num_workers, options.prefix_cache
    )


def _describe(restored: Restored, transform: str, notes: tuple[str, ...]) -> dict[str, Any]:
    setup, learner = restored.setup, restored.learner
    run = describe_run(
        setup.config, setup.few, learner, {"eval": transform},
        recipe=setup.recipe, seed=setup.seed, device=setup.device, notes=setup.few.notes + notes,
    )  # fmt: skip
    return run | {"kind": "ood", "trained_on": restored.trained_on}


def _tell_overlaps(class_names: Collection[str], sets: Sequence[OODSet]) -> dict[str, list[str]]:
    """Say which classes of a set are in-distribution classes; all their images stay in."""
    overlaps = {one.name: shared_classes(class_names, one) for one in sets}
    for name, shared in overlaps.items():
        if shared:
            logger.warning(
                "%s: classes that are in-distribution classes too: %s. Nothing is left out: their "
                "images count as out-of-distribution",
                name, ", ".join(shared),
            )  # fmt: skip
    return overlaps
