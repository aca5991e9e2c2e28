"""From a config and a checkpoint to the learner that was trained."""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from mmengine.config import Config

from plp.checkpoints import checkpoint as checkpoints
from plp.checkpoints.given_weights import without_places
from plp.config.choices import CLASSES, Choices, Classes
from plp.config.pixel_options import reading_of
from plp.datasets import FewShot
from plp.datasets.base import some
from plp.datasets.contents import stamps
from plp.engine.build import build_learner
from plp.engine.duplicates import add_shots_of_training
from plp.engine.image_contents import stamps_of
from plp.engine.setup import Setup, set_up
from plp.engine.work_dir import differences
from plp.errors import CheckpointError, ConfigError
from plp.learners.class_names import places_among, spaced
from plp.learners.prompt_learner import PromptLearner

logger = logging.getLogger("plp")


class Restored(NamedTuple):
    """A trained learner and the decisions it is tested under.

    Attributes:
        setup: Config, dataset, device and options.
        learner: The learner, on its device, in evaluation mode.
        places: Of each class of the dataset, its place among the learner's classes; None where
            these are the same.
        trained_on: Name of the dataset it was trained on.
        shots: Stamps of the shots it was trained on, as far as they are known.
    """

    setup: Setup
    learner: PromptLearner
    places: tuple[int, ...] | None = None
    trained_on: str | None = None
    shots: tuple[str, ...] = ()


def restore_learner(
    config: str | Path | Config,
    checkpoint: str | Path,
    choices: Choices | None = None,
    device: str | None = None,
    classes: Classes = "same",
) -> Restored:
    """Build the learner of a config and load what was learned into it.

    Where the model's config differs from that of the training, a warning says so.

    Args:
        config: Config or config file the checkpoint was trained with.
        checkpoint: Checkpoint file, or the work directory of its run.
        choices: What differs from the config.
        device: Such as 'cpu' or 'cuda:1'.
        classes: How the classes of the dataset relate to those of the training. 'same': they are
            those, in the same order. 'subset': all of them are among those, in any order; the
            recipe of the training set applies, and every method can do it. 'new': the learner takes
            their names in place of its own, with the dataset's recipe (its templates).

    Raises:
        CheckpointError: if classes, their order, or the model differ from the checkpoint's, or
            classes are not among those of the training.
        ConfigError: if the learner belongs to the classes of its training and cannot take others.
        PlpError: if config, flags, data or device do not fit.
    """
    if classes not in CLASSES:
        raise ConfigError(f"expected classes among {', '.join(CLASSES)}, got {classes!r}")
    saved = checkpoints.load_checkpoint(checkpoint)
    trained_on = saved.info.get("dataset")
    choices = choices or Choices()
    if classes == "subset" and choices.recipe_of is None:
        choices = choices._replace(recipe_of=trained_on)
    trained_data = saved.info.get("config", {}).get("data", {})
    choices = choices._replace(trained_data=trained_data)
    setup = set_up(config, choices, device)
    shots = _shots_of(saved, setup.few)
    setup = _tell_duplicates(setup, shots)
    names, places = setup.few.class_names, None
    if classes == "same":
        checkpoints.check_class_names(saved.class_names, names)
    elif classes == "subset":
        places = places_of(names, saved.class_names)
    learner = build_learner(setup.config, saved.class_names, seed=setup.seed)
    with checkpoints.reading_header(checkpoint):
        checkpoints.restore(learner, saved)
    trained = saved.info.get("config", {}).get("model", {})
    model = setup.config.to_dict()["model"]
    if saved.info.get("fingerprint"):  # compared by `restore`
        trained, model = without_places(trained), without_places(model)
    for difference in differences(trained, model, "model"):
        logger.warning("not as in training: %s", difference)
    before, now = reading_of(trained_data), setup.options.reading
    for difference in differences(before._asdict(), now._asdict(), "data"):
        logger.warning("not as in training: %s", difference)
    if classes == "same" and not shots and (note := _other_shots(saved.info, setup)):
        logger.warning("%s", note)
    if classes == "new":
        learner.set_class_names(names)
    return Restored(setup, learner.to(setup.device), places, trained_on, shots)


def _shots_of(saved: checkpoints.Checkpoint, few: FewShot) -> tuple[str, ...]:
    """Return the stamps of the shots of a training; none where nothing tells which they were."""
    if (written := stamps_of(saved.info)) is not None:
        return written
    return stamps(few.root, few.train) if saved.info.get("split_hash") == few.split_hash else ()


def _tell_duplicates(setup: Setup, shots: Sequence[str]) -> Setup:
    """Tell how the lists came about and which content stands twice; results have it in notes."""
    found = add_shots_of_training(setup.duplicates, setup.few, shots)
    notes = (*setup.few.notes, *(note for note in found.notes if note not in setup.few.notes))
    for note in notes:
        logger.warning("%s", note)
    return setup._replace(few=setup.few._replace(notes=notes), duplicates=found)


def _other_shots(info: Mapping[str, Any], setup: Setup) -> str:
    """Return a warning if the shots drawn now are not those of the training; '' if they are.

    For checkpoints that do not say which images those were: a folder that has changed, or that plp
    0.1 divided by another rule, may have images among its test images that were trained on.
    """
    trained, now = info.get("config", {}).get("dataset"), setup.config.get("dataset")
    few = setup.few
    draw = {"shots": few.shots, "seed": few.seed, "sampler": few.sampler}
    if not few.train or trained != now or any(info.get(k) != v for k, v in draw.items()):
        return ""
    if info.get("split_hash") in (None, few.split_hash):
        return ""
    return (
        f"{few.name}: the shots drawn now are not those of the training (the images have changed, "
        "or another version of plp divided them): images that were trained on may be among the "
        "test images"
    )


def places_of(names: Sequence[str], known: Sequence[str]) -> tuple[int, ...] | None:
    """Return where each name stands among known ones; None if they are the same in one order.

    Names are compared as `places_among` does.

    Raises:
        CheckpointError: for names that are not known.

    Example:
        >>> places_of(['sea_lion', 'ant'], ['ant', 'bee', 'sea lion'])
        (2, 0)
    """
    places = places_among(names, known)
    if unknown := [spaced(n) for n, place in zip(names, places, strict=True) if place is None]:
        raise CheckpointError(
            f"{len(unknown)} of {len(names)} classes of this dataset are not among the "
            f"{len(known)} that the checkpoint was trained for: {some(unknown)}. Test it as one of "
            "new classes, if its method can take them"
        )
    found = tuple(place for place in places if place is not None)
    return None if found == tuple(range(len(known))) else found
