"""Training a classifier: one function behind `tools/train.py`."""

import logging
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from jaxtyping import Float
from mmengine.config import Config
from mmengine.dist import barrier, get_world_size, is_main_process
from torch import Tensor

from plp.checkpoints import checkpoint as checkpoints
from plp.checkpoints.header_trust import named_by, record_of
from plp.config.choices import Choices
from plp.config.command import train_command
from plp.config.data_options import DataOptions
from plp.config.length import with_length
from plp.config.load import wants_report
from plp.config.rates import check_restored, rate_notes
from plp.config.schedule import most_epochs, save_seconds
from plp.datasets import FewShot
from plp.datasets.listed import check_class_names
from plp.datasets.loading import in_order
from plp.engine import processes
from plp.engine.announce import announce
from plp.engine.build import build_learner
from plp.engine.data import Loaders, build_loaders
from plp.engine.fitting import fit, tune
from plp.engine.identity import identity_of
from plp.engine.image_contents import SHOTS, contents_of
from plp.engine.init_from import init_from
from plp.engine.mmengine_objects import forgetting_runs
from plp.engine.predict import predict_loader
from plp.engine.result import (
    NAME,
    Stopwatch,
    describe_run,
    peak_memory,
    report_entries,
    write_result,
)
from plp.engine.runner import build_runner, check_schedule
from plp.engine.selection import selection_notes, selection_of
from plp.engine.setup import Setup, as_begun, check_texts, set_up
from plp.engine.transport import transport_entries, warn_of_transport, watching_transport
from plp.engine.work_dir import (
    default_work_dir,
    own_work_dir,
    read_state,
    saved_data,
    telling_what_is_kept,
)
from plp.evaluation import ClassificationMetric, ClassificationReport, classification_report
from plp.evaluation.finite import check_state
from plp.hooks import EpochSeedHook, ProgressHook, SaveHook
from plp.hooks.save import BEST
from plp.learners.prompt_learner import PromptLearner
from plp.learners.readable_names import names_note
from plp.learners.shortened import ShortenedTextsWarning
from plp.scoring.validation import scores_of_logits, validation_scores
from plp.sealed_tensors import stated_digest

logger = logging.getLogger("plp")


class TrainResult(NamedTuple):
    """What a training run leaves.

    Attributes:
        report: Accuracy on the test images.
        result: What stands in `result.json`.
        work_dir: Where checkpoint, result and curves are.
        learner: The trained learner, in evaluation mode.
        images: Its images, in the order of the test.
        options: The `data` section of its config.
        validation: Out-of-distribution scores of its validation images, by name; empty without
            any, and in all processes but the first.
        wants_report: Whether the config asks for a report.
    """

    report: ClassificationReport
    result: dict[str, Any]
    work_dir: Path
    learner: PromptLearner
    images: FewShot
    options: DataOptions
    validation: Mapping[str, Float[Tensor, " _"]]
    wants_report: bool


def train(
    config: str | Path | Config,
    choices: Choices | None = None,
    *,
    work_dir: str | Path | None = None,
    resume: bool = False,
    device: str | None = None,
    launcher: str = "none",
    tested: Callable[[ClassificationReport], None] | None = None,
) -> TrainResult:
    """Train on the shots, test once on the test images, write result and checkpoint.

    `plp.report.finished_run.train_and_report` does the same and leaves `report.html`.

    Args:
        config: Config, config file, or method such as 'sotglp'.
        choices: What differs from the config.
        work_dir: Where to write; by default a folder under `work_dirs` named after the config, the
            dataset, the shots and the seed.
        resume: Continue an interrupted run in its work directory.
        device: Such as 'cpu' or 'cuda:1'; by default a GPU if there is one.
        launcher: 'none', or 'pytorch' under torchrun: this process is one of several, of which the
            first writes; see docs/many_gpus.md.
        tested: Called with the accuracies as soon as they are known; in a run of several processes
            by the first.

    Raises:
        PlpError: for anything a user can mend.
    """
    watch = Stopwatch()
    processes.join(launcher, device)
    setup = set_up(config, choices, device)
    check_texts(setup.config.to_dict())
    check_class_names(setup.few.class_names, setup.few.root)
    default = default_work_dir(setup.config, setup.few, setup.seed, setup.backbone)
    default = setup.config.get("work_dir") or default
    asked = config.filename if isinstance(config, Config) else config
    command = train_command(asked, choices or Choices(), device, launcher, get_world_size())
    chosen = own_work_dir(work_dir, default, resume)
    with forgetting_runs(), chosen as folder, telling_what_is_kept(folder):
        if resume:
            setup = as_begun(setup, saved_data(folder), config, choices)
        return _train_in(
            folder, setup, watch, resume=resume, launcher=launcher, command=command, tested=tested
        )


def _train_in(
    folder: Path,
    setup: Setup,
    watch: Stopwatch,
    *,
    resume: bool,
    launcher: str,
    command: str | None,
    tested: Callable[[ClassificationReport], None] | None,
) -> TrainResult:
    """Train in a work directory; the result names the command."""
    config, recipe, seed, device, options, few, duplicates, _ = setup
    with_report = wants_report(config)
    with warnings.catch_warnings():  # it comes back as one of the names' notes
        warnings.simplefilter("ignore", ShortenedTextsWarning)
        learner = build_learner(config, few.class_names, seed=seed)
    start_notes = init_from(learner, config.get("init_from"), few, seed)
    loaders = build_loaders(few, options, learner.to(device), seed, epochs=most_epochs(config))
    contents = contents_of(loaders.few)
    with watch("fit"):
        fitted = fit(learner, loaders)
    settled = with_length(config, few.shots, len(loaders.train))
    epochs = check_schedule(settled, learner)
    notes = loaders.few.notes + loaders.pixel_notes  # where no step is taken: none on steps
    if epochs:
        check_restored(config, len(loaders.train))
        notes = loaders.notes + rate_notes(settled, epochs, len(loaders.train))
    run = describe_run(
        config, loaders.few, learner, loaders.transforms,
        recipe=recipe, seed=seed, device=device,
        notes=(
            *notes, *selection_notes(settled, learner, epochs), *names_note(few.name, learner),
            *processes.notes(), *start_notes,
        ),
    )  # fmt: skip
    select = selection_of(settled, loaders.val is not None)
    identity = identity_of(run, contents, select)
    state = read_state(folder, identity, resume)
    announce(run, folder, steps=len(loaders.train) if epochs else 0, resumed=state is not None)
    info = _checkpoint_info(config, run) | {SHOTS: contents.shot_stamps()}
    seconds = save_seconds(config)
    save = SaveHook(info, identity, keep_best=select == "val", min_seconds=seconds)
    kind = learner.probability
    metrics = {
        "val": ClassificationMetric(few.class_names, part="validation", probability=kind),
        "test": ClassificationMetric(few.class_names, scores_of_logits(learner), probability=kind),
    }
    runner = build_runner(
        settled, learner, loaders, work_dir=folder, device=device, metrics=metrics, seed=seed,
        hooks=[EpochSeedHook(seed), ProgressHook(), save], launcher=launcher, state=state,
    )  # fmt: skip
    with watch("train"):
        if epochs:
            runner.train()
            barrier()  # the first process has written
    watch.add("train", save.seconds_before)
    epoch = epochs
    if select == "val" and epochs:
        best = checkpoints.load_checkpoint(folder / BEST)
        checkpoints.restore(learner, best)
        epoch = best.info["epoch"]
    with watch("tune"):
        fitted += tune(learner, loaders)
    with watch("val"):
        validation = _validate(learner, loaders, few.class_names)
    with watch("test"), watching_transport() as transport:
        runner.test()
    unsolved = warn_of_transport(transport, learner)
    report = metrics["test"].report
    if tested is not None and is_main_process():
        tested(report)
    result = run | {
        "kind": "run",
        "selection": select,
        "epochs": epochs,
        "steps": runner.max_iters if epochs else 0,
        "fitted": fitted,
        "resumed": state is not None,
        "resumed_seconds": None if state is None else save.seconds_before,
        "validation": validation,
        "transport": transport_entries(transport),
        "notes": [*run["notes"], *unsolved],
        "content_hash": contents.digest(),
        "duplicates": duplicates.counts,
        **watch.entries(),
        "peak_memory": peak_memory(device),
        "command": command,
        "weights": record_of(learner.backbone) if _names_weights(config) else None,
    }
    scores: Mapping[str, Tensor] = {}
    if is_main_process():
        result |= report_entries(report)
        if loaders.val is not None:
            scores = validation_scores(learner, loaders.val, contents.for_threshold())
        check_state(learner.state_dict(), "training")
        path, info = folder / checkpoints.NAME, info | {"epoch": epoch}
        checkpoints.save_checkpoint(path, learner, info, scores)
        result["checkpoint_digest"] = stated_digest(path)
        write_result(folder / NAME, result)
    return TrainResult(
        report, result, folder, learner.eval(), loaders.few, options, scores, with_report
    )


def _names_weights(config: Config) -> bool:
    """Whether the config names weights beyond open_clip's tags: then their digest is kept."""
    backbone = config.model.get("backbone")
    return isinstance(backbone, Mapping) and bool(named_by(backbone))


def _checkpoint_info(config: Config, run: dict[str, Any]) -> dict[str, Any]:
    keys = (
        "dataset", "shots", "seed", "sampler", "split_hash", "transforms", "prompts", "versions",
        "git_commit",
    )  # fmt: skip
    return {"config": config.to_dict(), **{key: run[key] for key in keys}}


def _validate(
    learner: PromptLearner, loaders: Loaders, class_names: Sequence[str]
) -> dict[str, Any] | None:
    """Return the accuracy, on validation images, of what will be tested; None without any."""
    if loaders.val is None:
        return None
    found = predict_loader(learner, in_order(loaders.val), what="validating")
    report = classification_report(found, class_names, "validation")
    entries = report_entries(report)
    return {"accuracy": entries["accuracy"], "num_images": entries["num_test_images"]}
