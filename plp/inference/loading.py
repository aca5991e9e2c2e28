"""From a checkpoint to a classifier, with nothing else but the frozen backbone's weights."""

import contextlib
import logging
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from mmengine.config import Config
from mmengine.utils import import_modules_from_strings

from plp.checkpoints.checkpoint import Checkpoint, load_checkpoint, reading_header, restore
from plp.checkpoints.given_weights import word_of
from plp.checkpoints.header_trust import check_header, names_own_data
from plp.config.data_options import DataOptions
from plp.config.load import look_in
from plp.config.pixel_options import reading_of
from plp.engine.build import build_learner
from plp.engine.data import transform_for
from plp.engine.runner import check_device
from plp.errors import CheckpointError, ConfigError, WeightsError
from plp.inference.classifier import Classifier
from plp.inference.named_types import types_of
from plp.inference.rejection import RECALL
from plp.learners.prompt_learner import PromptLearner
from plp.probability import Probability, check_probability
from plp.transforms import Transform

logger = logging.getLogger("plp")


AnyClassifier = TypeVar("AnyClassifier", bound=Classifier)


def load(
    checkpoint: str | Path,
    kind: type[AnyClassifier],
    *,
    pretrained: str | Path | None = None,
    device: str | None = None,
    score: str | None = None,
    recall: float = RECALL,
    probability: Probability | None = None,
    trust_code: bool = False,
    trust_header: bool = False,
) -> AnyClassifier:
    """Load a trained classifier of a kind; arguments and errors are those of `plp.load`."""
    saved = load_checkpoint(checkpoint)
    guard = contextlib.nullcontext() if trust_code else reading_header(checkpoint)
    with guard:  # a user's own code keeps its tracebacks
        return _load(
            checkpoint, kind, saved, pretrained, device, score, recall, probability,
            trust_code, trust_header,
        )  # fmt: skip


def _load(
    checkpoint: str | Path, kind: type[AnyClassifier], saved: Checkpoint,
    pretrained: str | Path | None, device: str | None, score: str | None, recall: float,
    probability: Probability | None, trust_code: bool, trust_header: bool,
) -> AnyClassifier:  # fmt: skip
    config = config_of(saved)
    if not trust_code:
        refuse_code(config, checkpoint)
    else:
        import_recorded_modules(config)
    if probability is not None:
        check_probability(probability)
    device = check_device(device, "fp32")
    if device.split(":")[0] == "cpu" and config.model.get("precision") == "fp16":
        logger.warning("trained with fp16, which a CPU does not have: loaded with fp32")
        config.model.precision = "fp32"
    options = check_header(config, checkpoint, pretrained, trust_header)
    learner = _build(config, saved, options)
    if probability is not None:
        learner.set_probability(probability)
    restore(learner, saved)
    transform = _transform(config, saved, learner)
    reading = reading_of(config.data)  # off where the checkpoint does not speak of it
    return kind(
        learner.to(device), transform, saved.validation_scores,
        score=score, recall=recall, info=saved.info,
        compare_shots=trust_header or names_own_data(saved.info, checkpoint),
        reading=reading,
    )  # fmt: skip


def config_of(saved: Checkpoint) -> Config:
    """Return the config of the training.

    Raises:
        CheckpointError: if the checkpoint does not hold one.
    """
    config = saved.info.get("config")
    sections = config if isinstance(config, Mapping) else {}
    if not all(isinstance(sections.get(key), Mapping) for key in ("model", "data")):
        raise CheckpointError(
            "the checkpoint does not hold the config of its training. Give one that tools/train.py "
            "(`plp train`) has written"
        )
    return Config(dict(sections))


def _build(config: Config, saved: Checkpoint, options: Mapping[str, Any]) -> PromptLearner:
    try:
        return build_learner(config, saved.class_names, options)
    except WeightsError as error:
        word = word_of(config.model.backbone)
        raise WeightsError(
            f"{error}\nThe checkpoint holds what was learned; the frozen backbone is apart from it "
            f"and must be there: {_backbone(config)}. If you have these weights: "
            f"plp.load(..., pretrained={word}), --pretrained {word}"
        ) from error


def _backbone(config: Config) -> str:
    section = config.model.backbone.to_dict()
    keys = ("arch", "pretrained", "name_or_folder")
    described = [f"{k}={section[k]!r}" for k in keys if k in section]
    return f"{section['type']}({', '.join(described)})"


def _transform(config: Config, saved: Checkpoint, learner: PromptLearner) -> Transform:
    transform = transform_for(learner.backbone, DataOptions.of(config).eval_transform)
    trained = saved.info.get("transforms", {}).get("eval", repr(transform))
    if trained != repr(transform):
        logger.warning("preprocessing was %s in training, it is %r", trained, transform)
    return transform


def import_recorded_modules(config: Config) -> None:
    """Import the modules that a checkpoint's config names; whoever calls this trusts it.

    Raises:
        ConfigError: if one cannot be imported.
    """
    section = config.get("custom_imports") or {}
    look_in(os.getcwd())
    try:
        import_modules_from_strings(list(section.get("imports", [])))
    except Exception as error:  # a user's code: it raises whatever it likes
        kind = type(error).__name__
        raise ConfigError(
            f"a module of the checkpoint's config cannot be imported: {kind}: {error}. Its folder "
            "must be on PYTHONPATH, or be the current one"
        ) from error


def refuse_code(
    config: Config, checkpoint: str | Path, keys: Sequence[str] = ("model", "data")
) -> None:
    """Refuse a config that names code outside plp: it would be run by building it.

    Args:
        config: The config of the training.
        checkpoint: Where it is from.
        keys: Sections that are built.

    Raises:
        CheckpointError: naming the code.
    """
    imports = list((config.get("custom_imports") or {}).get("imports", []))
    sections = {key: config.get(key) for key in keys}
    named = imports + [name for name in types_of(sections) if "." in name]
    if named:
        raise CheckpointError(
            f"{checkpoint} names code outside plp: {', '.join(dict.fromkeys(named))}. If it is "
            "yours or you trust it, load it with trust_code=True (--trust-code)"
        )
