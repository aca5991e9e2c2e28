"""Which scores a learner is tested with, and on which of its branches."""

import logging
from collections.abc import Sequence
from typing import Any, NamedTuple, cast

from torch import nn

from plp.branches.base import Branch
from plp.errors import ConfigError
from plp.learners.prompt_learner import PromptLearner
from plp.registry import SCORES
from plp.scores import Score

ALL = "all"
SETTINGS = ("temperature", "logit_scale", "logit_bias", "fusion", "pooled", "dense")

logger = logging.getLogger("plp")


class Scoring(NamedTuple):
    """A score and what it is computed from.

    Attributes:
        score: The score.
        reference: Name of the learner's reference to score; None for its prediction.
    """

    score: Score
    reference: str | None = None


def choose_scores(
    learner: PromptLearner,
    names: Sequence[str] = (ALL,),
    temperature: float | None = None,
    pooled: str | None = None,
    dense: str | None = None,
) -> dict[str, Scoring]:
    """Build scores for a learner, and the same for each of its references.

    A score of the prediction has the score's own name, one of a reference the reference's in front:
    `MCM`, `zero_shot.MCM`. With 'all', scores that need patches or pairs are left out (and that is
    said) where no branch has them, and so are scores of texts where the backbone has none; those of
    a sigmoid are part of all only where the backbone has a logit bias;
    references without them only give the other scores.

    Args:
        learner: The trained learner.
        names: Registered scores; 'all' for every one.
        temperature: Of all scores that have one; None for each score's own.
        pooled: Branch that looks at the whole image (MCM). None: `global`, else the first branch
            that sees no patches, else the first.
        dense: Branch whose patches are scored (L-MCM). None: `local`, else the first branch that
            sees patches.

    Raises:
        ConfigError: for an unknown score or branch, a temperature that is not above 0, a score
            that looks at patches, or at pairs of patch and prompt, where no branch does, or one of
            texts where there are none, or one of a sigmoid where there is no logit bias.
    """
    branches = learner.branches
    for name in (pooled, dense):
        if name is not None and name not in branches:
            raise ConfigError(f"expected a branch among {', '.join(branches)}, got {name!r}")
    pooled = pooled or _first(branches, "global", sees_patches=False) or next(iter(branches))
    dense = dense or _first(branches, "local", sees_patches=True)
    everything = ALL in names
    chosen = SCORES.names() if everything else list(dict.fromkeys(names))
    inputs: dict[str, Any] = dict(
        logit_scale=float(learner.backbone.logit_scale), fusion=learner.fusion
    )
    if temperature is not None:
        inputs["temperature"] = temperature
    if (bias := learner.backbone.logit_bias) is not None:
        inputs["logit_bias"] = float(bias)
    scorings = {}
    for name in _without_text_scores(chosen, learner, everything):
        if SCORES.get(name).needs_bias and "logit_bias" not in inputs:
            if not everything:
                raise ConfigError(_no_bias(name, learner))
            continue
        score = SCORES.build(dict(type=name), pooled=pooled, dense=dense or "local", **inputs)
        if not _can_read(score, None if dense is None else cast(Branch, branches[dense])):
            if not everything:
                raise ConfigError(_needs(score, name, learner))
            logger.warning("left out: %s", _needs(score, name, learner))
            continue
        scorings[name] = Scoring(score)
    own_scores = {name: scoring.score for name, scoring in scorings.items()}
    for reference, branch in learner.references.named():
        for name in [n for n, score in own_scores.items() if _can_read(score, branch)]:
            own = SCORES.build(dict(type=name), pooled=reference, dense=reference, **inputs)
            scorings[f"{reference}.{name}"] = Scoring(own, reference)
    return scorings


def settings_of(scoring: Scoring) -> dict[str, Any]:
    """Return the numbers and branches a score works with."""
    score, reference = scoring
    found = {key: getattr(score, key) for key in SETTINGS if hasattr(score, key)}
    if not (score.needs_patches or score.needs_pairs):
        found.pop("dense", None)
    if found.get("logit_bias") is None:
        found.pop("logit_bias", None)
    return {"score": type(score).__name__, "reference": reference, **found}


def _first(branches: nn.ModuleDict, usual: str, sees_patches: bool) -> str | None:
    fitting = [name for name in branches if (branches[name].stream is not None) == sees_patches]
    return usual if usual in branches else next(iter(fitting), None)


def _can_read(score: Score, dense: Branch | None) -> bool:
    """Whether a branch has the patches, and the pairs, that a score looks at."""
    if dense is None:
        return not (score.needs_patches or score.needs_pairs)
    if score.needs_patches and dense.stream is None:
        return False
    return dense.has_pairs or not score.needs_pairs


def _without_text_scores(
    names: Sequence[str], learner: PromptLearner, leave_out: bool
) -> Sequence[str]:
    """Leave out scores of texts where the backbone has none, or refuse them.

    Raises:
        ConfigError: naming them, and those that work.
    """
    of_texts = [n for n in names if n in SCORES.names() and SCORES.get(n).needs_texts]
    if learner.backbone.has_text or not of_texts:
        return names
    kinds = {one: SCORES.get(one) for one in SCORES.names()}
    works = [one for one, kind in kinds.items() if not (kind.needs_texts or kind.needs_bias)]
    why = (
        f"scores that compare images with texts ({', '.join(of_texts)}): "
        f"{learner.backbone.label} has no text tower. Scores that work: {', '.join(works)}"
    )
    if not leave_out:
        raise ConfigError(why)
    logger.warning("left out: %s", why)
    return [name for name in names if name not in of_texts]


def _no_bias(name: str, learner: PromptLearner) -> str:
    works = [one for one in SCORES.names() if not SCORES.get(one).needs_bias]
    return (
        f"score {name} is of logits that mean something by themselves, and "
        f"{learner.backbone.label} has no logit bias: it was not trained with a sigmoid "
        f"loss. Scores of such models: {', '.join(works)}"
    )


def _needs(score: Score, name: str, learner: PromptLearner) -> str:
    branches = ", ".join(learner.branches)
    if score.needs_pairs:
        return (
            f"score {name} looks at pairs of patch and prompt, and the branch for it has none "
            f"(branches: {branches}). It needs a LocalBranch"
        )
    streams = ", ".join(learner.backbone.streams) or "none"
    return (
        f"score {name} looks at single patches, and no branch for it sees any (branches: "
        f"{branches}). It needs a LocalBranch, or a dense stream on a GlobalBranch "
        f"(model.branches.NAME.stream; the backbone has: {streams})"
    )
