"""When to say "none of my classes": a threshold with a stated recall, from few held-out images."""

import math
from fractions import Fraction
from typing import NamedTuple

from jaxtyping import Float
from torch import Tensor

from plp.errors import ConfigError

RECALL = 0.95


class Rejection(NamedTuple):
    """A threshold on an out-of-distribution score, or why there is none.

    Attributes:
        score: Name of the score; lower means more in-distribution.
        recall: Share of in-distribution images that should be accepted.
        images: Number of in-distribution images the threshold was chosen on; none of them a shot.
        threshold: Images with a score up to it are accepted; None where there are too few images
            for this recall, and nothing is accepted or rejected.
    """

    score: str
    recall: float
    images: int
    threshold: float | None

    def accepts(self, score: float) -> bool | None:
        """Return whether an image of this score is accepted; None without a threshold."""
        return None if self.threshold is None else score <= self.threshold

    def describe(self) -> str:
        """Return in a sentence what is accepted, or what is missing."""
        if self.threshold is not None:
            return (
                f"images with {self.score} up to {self.threshold:.6g} are accepted: at least "
                f"{self.recall:.4g} of in-distribution images, by {self.images} validation images"
            )
        most = math.floor(100 * self.images / (self.images + 1)) / 100
        lower = f", or ask for a recall up to {most} (recall={most}, --recall {most})"
        return (
            f"nothing is accepted or rejected: accepting {self.recall:.4g} of in-distribution "
            f"images takes a threshold from at least {fewest_images(self.recall)} validation "
            f"images, and there are {self.images}. Calibrate on more images of your classes that "
            "were not trained on (clf.calibrate(FOLDER), --calibrate FOLDER)"
            + (lower if self.images else "")
        )


def choose_rejection(score: str, values: Float[Tensor, " I"], recall: float = RECALL) -> Rejection:
    """Choose the threshold that accepts a share of in-distribution images.

    The threshold is the k-th smallest of n scores with k = ceil(recall (n + 1)), as in split
    conformal prediction (Vovk et al. 2005): a further image, drawn like those n, is then accepted
    with probability k / (n + 1) or more, so at least `recall`, whatever the score and the data. The
    plain quantile would promise less with few images. Where k > n no threshold keeps the promise.

    Args:
        score: Name of the score.
        values: Scores of in-distribution images that nothing was trained on.
        recall: Share of in-distribution images to accept, between 0 and 1.

    Raises:
        ConfigError: for a recall that is no share, or scores that are not finite.

    Example:
        >>> import torch
        >>> choose_rejection("MCM", torch.arange(19.0)).threshold
        18.0
        >>> choose_rejection("MCM", torch.arange(18.0)).threshold is None
        True
    """
    share = _share(recall)
    if not bool(values.isfinite().all()):
        bad = int((~values.isfinite()).sum())
        raise ConfigError(
            f"expected finite {score} scores, got {bad} of {len(values)} that are not"
        )
    place = math.ceil(share * (len(values) + 1))
    threshold = float(values.sort().values[place - 1]) if place <= len(values) else None
    return Rejection(score, float(recall), len(values), threshold)


def fewest_images(recall: float) -> int:
    """Return the smallest number of images that `choose_rejection` finds a threshold for.

    Example:
        >>> fewest_images(0.95), fewest_images(0.9)
        (19, 9)
    """
    share = _share(recall)
    return math.ceil(share / (1 - share))


def _share(recall: float) -> Fraction:
    """Return the recall as it is written: 0.95 is no float."""
    number = isinstance(recall, int | float) and not isinstance(recall, bool)
    if not (number and 0 < recall < 1):
        raise ConfigError(f"expected a recall between 0 and 1, such as 0.95, got {recall!r}")
    return Fraction(str(float(recall)))
