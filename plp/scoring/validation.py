"""Out-of-distribution scores of the validation images: what a threshold is chosen from."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor
from torch.utils.data import DataLoader

from plp.datasets.loading import in_order
from plp.errors import ConfigError
from plp.evaluation import LogitsToScore
from plp.evaluation.finite import check_scores
from plp.learners.prompt_learner import PromptLearner
from plp.probability import Probability
from plp.reader import asked_for
from plp.registry import SCORES
from plp.scores import Score
from plp.scores.logits import LogitScore
from plp.scoring.choose import choose_scores
from plp.structures import KeptImages


def scores_of(learner: PromptLearner) -> dict[str, Score]:
    """Build each registered score of the learner's prediction that its branches allow."""
    found = {}
    for name in SCORES.names():
        try:
            found[name] = choose_scores(learner, [name])[name].score
        except ConfigError:  # it looks at patches and no branch does, or it needs more settings
            continue
    return found


def scores_of_logits(learner: PromptLearner) -> dict[str, LogitsToScore]:
    """Return those scores of the learner's prediction that its logits are enough for."""
    return {
        name: score.of_logits
        for name, score in scores_of(learner).items()
        if isinstance(score, LogitScore) and score.branch is None
    }


def usual_score(scores: dict[str, Score], probability: Probability = "softmax") -> str:
    """Return the score to reject with where nobody says which: the one of the published methods.

    GL-MCM where a branch looks at patches (GalLoP, SOT-GLP), else MCM; MSP without texts. Where
    probabilities are of a sigmoid, the largest of them: it says whether any class fits.
    """
    first = ("MaxSigmoid",) if probability == "sigmoid" else ()
    usual = (*first, "GlobalLocalMCM", "MCM", "MSP", *scores)
    return next(name for name in usual if name in scores)


@torch.no_grad()
def score_batch(
    learner: PromptLearner, scores: dict[str, Score], images: Tensor | KeptImages
) -> dict[str, Float[Tensor, " B"]]:
    """Score a batch on the learner's device; return the scores on the CPU, by name."""
    evidence = learner.evidence(images, **asked_for(scores.values()))
    return {name: score(evidence).float().cpu() for name, score in scores.items()}


def validation_scores(
    learner: PromptLearner, loader: DataLoader, places: Sequence[int] | None = None
) -> dict[str, Float[Tensor, " I"]]:
    """Score images of a loader, in the order of its dataset, by every score that fits.

    Args:
        learner: The trained learner; it is put into evaluation mode.
        loader: Loader of validation images, or of their features.
        places: Which of them to return the scores of, such as those that are no shots; None: all.

    Raises:
        NotFiniteError: for scores that are NaN or infinite: no threshold can be chosen from them.
    """
    learner.eval()
    scores = scores_of(learner)
    rows: dict[str, list[Tensor]] = {name: [] for name in scores}
    for batch in in_order(loader):
        images = learner.data_preprocessor(batch)["images"]
        for name, value in score_batch(learner, scores, images).items():
            rows[name].append(value)
    scored = {name: torch.cat(parts) for name, parts in rows.items()}
    check_scores(scored, "validation")
    return scored if places is None else {name: one[list(places)] for name, one in scored.items()}
