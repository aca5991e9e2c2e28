"""What a classifier says about one image."""

from collections.abc import Sequence
from typing import NamedTuple

from jaxtyping import Float
from torch import Tensor

from plp.inference.rejection import Rejection
from plp.probability import Probability, probabilities_of


class Prediction(NamedTuple):
    """The most probable classes of an image, and whether it looks like any of them.

    Attributes:
        name: Path of the image, or its place in the list.
        labels: The most probable classes, the best first.
        probabilities: Theirs. A softmax of the fused logits adds up to one over all classes,
            whatever the image shows; that none fits is what `ood_score` is for. A sigmoid asks each
            class by itself: several, or none, may be probable.
        ood_score: The out-of-distribution score; lower means more in-distribution.
        accepted: Whether the score is up to the classifier's threshold; None without one.
    """

    name: str
    labels: tuple[str, ...]
    probabilities: tuple[float, ...]
    ood_score: float
    accepted: bool | None

    @property
    def label(self) -> str:
        """The most probable class."""
        return self.labels[0]

    @property
    def probability(self) -> float:
        """Its probability."""
        return self.probabilities[0]

    @property
    def abstained(self) -> bool:
        """Whether the classifier has a threshold and the image is beyond it."""
        return self.accepted is False


class Unreadable(NamedTuple):
    """An image that could not be read.

    Attributes:
        name: Its path, or its place in the list.
        reason: What is wrong with it; names it too.
    """

    name: str
    reason: str


def predictions(
    names: Sequence[str],
    logits: Float[Tensor, "B C"],
    scores: Float[Tensor, " B"],
    class_names: Sequence[str],
    top_k: int,
    rejection: Rejection,
    probability: Probability = "softmax",
) -> list[Prediction]:
    """Return what logits and out-of-distribution scores say about images, one by one.

    Args:
        names: Of the images.
        logits: Fused, temperature applied.
        scores: Their scores.
        class_names: In label order.
        top_k: Most probable classes to return.
        rejection: The threshold.
        probability: What probabilities are.
    """
    best = logits.topk(min(top_k, len(class_names)), dim=-1).indices
    shares = probabilities_of(logits, probability).gather(-1, best)
    columns = names, shares.tolist(), best.tolist(), scores.tolist()
    return [
        Prediction(
            name,
            tuple(class_names[label] for label in labels),
            tuple(probabilities),
            score,
            rejection.accepts(score),
        )
        for name, probabilities, labels, score in zip(*columns, strict=True)
    ]
