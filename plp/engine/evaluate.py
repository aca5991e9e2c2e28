"""Testing a checkpoint: the function behind `tools/test.py`."""

import time
from pathlib import Path
from typing import Any

from mmengine.config import Config

from plp.engine.config import Choices
from plp.engine.data import build_loaders
from plp.engine.predict import predict_loader
from plp.engine.restore import restore_learner
from plp.engine.result import describe_run, peak_memory, report_entries, write_result
from plp.evaluation import ClassificationReport, classification_report


def evaluate_checkpoint(
    config: str | Path | Config,
    checkpoint: str | Path,
    choices: Choices | None = None,
    *,
    device: str | None = None,
    out: str | Path | None = None,
) -> tuple[ClassificationReport, dict[str, Any]]:
    """Test a checkpoint on the test images of a data set.

    Args:
        config: Config or config file the checkpoint was trained with.
        checkpoint: Checkpoint file, or the work directory of its run.
        choices: What differs from the config.
        device: Such as 'cpu' or 'cuda:1'.
        out: Where to write the result as JSON; nowhere if None.

    Raises:
        CheckpointError: if classes, their order, or the model differ from the checkpoint's.
    """
    (config, recipe, seed, device, options, few), learner = restore_learner(
        config, checkpoint, choices, device
    )
    loaders = build_loaders(few, options, learner, seed, parts=("test",))
    run = describe_run(
        config, few, learner, loaders.transforms,
        recipe=recipe, seed=seed, device=device, notes=loaders.notes,
    )  # fmt: skip
    begin = time.monotonic()
    logits, labels = predict_loader(learner, loaders.test)
    report = classification_report(logits, labels, few.class_names)
    result = run | {
        "checkpoint": str(checkpoint),
        "seconds": {"test": round(time.monotonic() - begin, 2)},
        "peak_memory": peak_memory(device),
        **report_entries(report),
    }
    if out is not None:
        write_result(Path(out), result)
    return report, result
