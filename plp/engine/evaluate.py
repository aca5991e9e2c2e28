"""Testing a checkpoint: the function behind `tools/test.py`."""

import logging
from pathlib import Path
from typing import Any

from mmengine.config import Config

from plp.config.choices import Choices, Classes
from plp.engine.data import build_loaders
from plp.engine.places import check_file_target
from plp.engine.predict import predict_loader
from plp.engine.restore import restore_learner
from plp.engine.result import (
    Stopwatch,
    describe_run,
    peak_memory,
    report_entries,
    write_result,
)
from plp.engine.transport import transport_entries, warn_of_transport, watching_transport
from plp.evaluation import ClassificationReport, classification_report

logger = logging.getLogger("plp")


def evaluate_checkpoint(
    config: str | Path | Config,
    checkpoint: str | Path,
    choices: Choices | None = None,
    *,
    device: str | None = None,
    out: str | Path | None = None,
    classes: Classes = "same",
) -> tuple[ClassificationReport, dict[str, Any]]:
    """Test a checkpoint on the test images of a dataset.

    Args:
        config: Config or config file the checkpoint was trained with.
        checkpoint: Checkpoint file, or the work directory of its run.
        choices: What differs from the config.
        device: Such as 'cpu' or 'cuda:1'.
        out: Where to write the result as JSON; nowhere if None.
        classes: How the dataset's classes relate to those of the training, see `restore_learner`.
            With 'subset', an image is classified among the dataset's classes only.

    Raises:
        CheckpointError: if classes, their order, or the model differ from the checkpoint's.
        ConfigError: for new classes, if the method cannot take them; if `out` cannot be written.
    """
    watch = Stopwatch()
    if out is not None:
        check_file_target(out, "--out")
    restored = restore_learner(config, checkpoint, choices, device, classes)
    config, recipe, seed, device, options, few, duplicates, _ = restored.setup
    learner = restored.learner
    loaders = build_loaders(few, options, learner, seed, parts=("test",))
    run = describe_run(
        config, loaders.few, learner, loaders.transforms,
        recipe=recipe, seed=seed, device=device, notes=loaders.notes,
    )  # fmt: skip
    for note in loaders.notes[len(few.notes) :]:  # the others were told when it was restored
        logger.warning("%s", note)
    with watch("test"), watching_transport() as transport:
        found = predict_loader(learner, loaders.test, restored.places)
    unsolved = warn_of_transport(transport, learner)
    report = classification_report(found, few.class_names)
    result = run | {
        "kind": "test",
        "trained_on": restored.trained_on,
        "classes": classes,
        "checkpoint": str(checkpoint),
        "transport": transport_entries(transport),
        "notes": [*run["notes"], *unsolved],
        "duplicates": duplicates.counts,
        **watch.entries(),
        "peak_memory": peak_memory(device),
        **report_entries(report),
    }
    if out is not None:
        write_result(Path(out), result)
    return report, result
