"""Scores and logits of images that a classifier was given, checked before they become answers."""

from collections.abc import Iterable, Mapping, Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from plp.errors import DataError
from plp.evaluation.finite import PREDICTION, check_logits, check_scores, not_finite
from plp.inference.reading import Chunk
from plp.learners.prompt_learner import PromptLearner
from plp.scores.base import Score
from plp.scoring.validation import score_batch
from plp.structures import Evidence


def calibration_scores(
    learner: PromptLearner, scores: dict[str, Score], chunks: Iterable[Chunk]
) -> dict[str, Float[Tensor, " I"]]:
    """Return every score of images that a threshold is to be chosen from.

    Raises:
        DataError: naming an image that cannot be read.
        NotFiniteError: for scores that are NaN or infinite.
    """
    rows: list[dict[str, Tensor]] = []
    for chunk in chunks:
        for one in chunk.unreadable.values():
            raise DataError(one.reason)
        if chunk.pixels is not None:
            rows.append(score_batch(learner, scores, chunk.pixels.to(learner.backbone.device)))
    none = [torch.zeros(0)]
    found = {name: torch.cat([row[name] for row in rows] or none) for name in scores}
    check_scores(found, "calibration")
    return found


def finite_logits(
    learner: PromptLearner, evidence: Mapping[str, Evidence], names: Sequence[str]
) -> Float[Tensor, "B C"]:
    """Return the fused logits of images.

    Raises:
        NotFiniteError: for logits of any branch, or fused ones, that are NaN or infinite; with the
            names of the images.
    """
    lines = {name: value.float() for name, value in learner.logits_of(evidence).items()}
    logits = lines.pop("logits")
    bad = {name: not_finite(value) for name, value in (lines | {PREDICTION: logits}).items()}
    check_logits(bad, "prediction", names)
    return logits
