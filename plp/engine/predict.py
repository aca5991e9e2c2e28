"""Running a learner over a loader."""

from collections.abc import Mapping, Sequence
from typing import Any

from torch.utils.data import DataLoader

from plp.evaluation import LogitsToScore, Outcomes, joined, outcomes
from plp.evaluation.classification import stacked
from plp.learners.prompt_learner import PromptLearner
from plp.progress import Progress


def predict_loader(
    learner: PromptLearner,
    loader: DataLoader[Any],
    places: Sequence[int] | None = None,
    scores: Mapping[str, LogitsToScore] | None = None,
    what: str = "testing",
) -> Outcomes:
    """Hold predictions of all images of a loader against their labels, in the loader's order.

    Args:
        learner: The learner; it is put into evaluation mode.
        loader: Loader of labelled images, or of their features.
        places: Classes of the learner that the labels count; None for all. An image is classified
            among them.
        scores: What else to keep of the prediction's logits, by name.
        what: What this is, for a line of progress every few seconds.
    """
    learner.eval()
    parts = []
    progress = Progress(what, len(loader.dataset))  # type: ignore[arg-type]
    for batch in loader:
        logits, labels = stacked(learner(**learner.data_preprocessor(batch), mode="predict"))
        if places is not None:
            logits = {line: value[:, list(places)] for line, value in logits.items()}
        parts.append(outcomes(logits, labels, scores, learner.probability))
        progress.add(len(labels))
    return joined(parts)
