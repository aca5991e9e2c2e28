"""Whether a classifier is right as often as it says: reliability, ECE, NLL, Brier score."""

from typing import Literal, NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn import functional as F

from plp.probability import Probability

Binning = Literal["equal_width", "equal_mass"]
BINS = 15  # as Guo et al. 2017, and most of the field since


class Judged(NamedTuple):
    """Predictions held against the truth, image by image; all that calibration needs.

    Attributes:
        confidence: Probability of the class predicted.
        correct: Whether that class is the true one.
        nll: Negative log likelihood of the true class, in nats; of a sigmoid, of all classes' yes
            or no.
        brier: Squared error of the probabilities, summed over classes, in [0, 2]; of a sigmoid in
            [0, C].
    """

    confidence: Float[Tensor, " I"]
    correct: Bool[Tensor, " I"]
    nll: Float[Tensor, " I"]
    brier: Float[Tensor, " I"]


class ReliabilityTable(NamedTuple):
    """Confidence and accuracy by bin of confidence, shares in [0, 1]. Empty bins are left out.

    Attributes:
        images: Images in the bin.
        confidence: Mean confidence of the bin.
        accuracy: Share of the bin that is right.
    """

    images: Int[Tensor, " M"]
    confidence: Float[Tensor, " M"]
    accuracy: Float[Tensor, " M"]


class CalibrationReport(NamedTuple):
    """How far confidence is from accuracy.

    Attributes:
        ece: Expected calibration error in percent, bins of equal width.
        ece_equal_mass: The same with bins of equal numbers of images.
        nll: Mean negative log likelihood, in nats.
        brier: Mean Brier score over classes, in [0, 2]; of a sigmoid in [0, C].
        confidence: Mean confidence in percent.
        accuracy: Percent correct.
        num_images: Images.
        table: Reliability in bins of equal width.
    """

    ece: float
    ece_equal_mass: float
    nll: float
    brier: float
    confidence: float
    accuracy: float
    num_images: int
    table: ReliabilityTable


def judge(
    logits: Float[Tensor, "I C"], labels: Int[Tensor, " I"], probability: Probability = "softmax"
) -> Judged:
    """Hold the probabilities of logits against labels; batches can be judged one at a time.

    A sigmoid answers C questions, of which the true class is the one with the answer yes: its
    likelihood is that of all C answers.

    Example:
        >>> found = judge(torch.tensor([[0.0, 0.0], [9.0, 0.0]]).log1p(), torch.tensor([1, 0]))
        >>> found.confidence.round(decimals=4), found.correct
        (tensor([0.5000, 0.9091], dtype=torch.float64), tensor([False,  True]))
    """
    logits, own = logits.detach().double(), labels[:, None]
    truth = torch.zeros_like(logits).scatter(1, own, 1.0)
    if probability == "sigmoid":
        probabilities = logits.sigmoid()
        losses = F.binary_cross_entropy_with_logits(logits, truth, reduction="none")
        nll, predicted = losses.sum(-1), logits.argmax(-1)  # far logits have equal probabilities
        confidence = probabilities.gather(1, predicted[:, None])[:, 0]
    else:
        log_probabilities = logits.log_softmax(-1)
        probabilities = log_probabilities.exp()
        nll = -log_probabilities.gather(1, own)[:, 0]
        confidence, predicted = probabilities.max(-1)
    brier = (probabilities - truth).square().sum(-1)
    return Judged(confidence, predicted == labels, nll, brier)


def calibration_report(judged: Judged, bins: int = BINS) -> CalibrationReport:
    """Summarise judged predictions.

    Raises:
        ValueError: for no predictions, or no bins.

    Example:
        >>> judged = judge(torch.tensor([[0.0, 0.0], [9.0, 0.0]]).log1p(), torch.tensor([1, 0]))
        >>> report = calibration_report(judged, bins=10)
        >>> round(report.ece, 2), round(report.brier, 4)  # (|0 - 0.5| + |1 - 0.909|) / 2
        (29.55, 0.2583)
    """
    table = reliability_table(judged.confidence, judged.correct, bins)
    by_mass = reliability_table(judged.confidence, judged.correct, bins, "equal_mass")
    return CalibrationReport(
        ece=100 * expected_calibration_error(table),
        ece_equal_mass=100 * expected_calibration_error(by_mass),
        nll=judged.nll.double().mean().item(),
        brier=judged.brier.double().mean().item(),
        confidence=100 * judged.confidence.double().mean().item(),
        accuracy=100 * judged.correct.double().mean().item(),
        num_images=len(judged.confidence),
        table=table,
    )


def reliability_table(
    confidence: Float[Tensor, " I"],
    correct: Bool[Tensor, " I"],
    bins: int = BINS,
    binning: Binning = "equal_width",
) -> ReliabilityTable:
    """Group predictions by confidence.

    Args:
        confidence: In [0, 1].
        correct: Whether each prediction is right.
        bins: M, how many groups.
        binning: 'equal_width': bin m is ((m-1)/M, m/M] (Guo et al. 2017). 'equal_mass': the I
            predictions in order of confidence, cut into M groups whose sizes differ by at most one
            (Nguyen and O'Connor 2015); those of one confidence stay together, in the bin of the
            first, so that the table does not depend on the order of the images.

    Raises:
        ValueError: for no predictions, confidence outside [0, 1], no bins, or unknown binning.
    """
    if not len(confidence) or confidence.shape != correct.shape:
        shapes = f"{list(confidence.shape)} and {list(correct.shape)}"
        raise ValueError(f"expected vectors of one length, confidence and correct, got {shapes}")
    if not ((confidence >= 0) & (confidence <= 1)).all():
        raise ValueError("expected confidence in [0, 1]")
    if bins < 1:
        raise ValueError(f"expected 1 bin or more, got {bins}")
    confidence = confidence.detach().cpu().double()
    which = _bins_of(confidence, bins, binning)
    count = torch.bincount(which, minlength=bins)
    sums = [
        torch.zeros(bins, dtype=torch.float64).index_add(0, which, value)
        for value in (confidence, correct.cpu().double())
    ]
    full = count > 0
    return ReliabilityTable(count[full], *(total[full] / count[full] for total in sums))


def expected_calibration_error(table: ReliabilityTable) -> float:
    """Return the mean over images of |accuracy - confidence| of their bin (Naeini et al. 2015).

    Example:
        >>> correct = torch.tensor([True, False, True, True])
        >>> table = reliability_table(torch.tensor([0.6, 0.6, 0.9, 0.9]), correct, bins=5)
        >>> round(expected_calibration_error(table), 4)  # half |0.5 - 0.6|, half |1 - 0.9|
        0.1
    """
    gaps = (table.accuracy - table.confidence).abs()
    return ((table.images * gaps).sum() / table.images.sum()).item()


def _bins_of(confidence: Float[Tensor, " I"], bins: int, binning: str) -> Int[Tensor, " I"]:
    if binning == "equal_width":
        edges = torch.arange(1, bins, dtype=torch.float64) / bins
        return torch.searchsorted(edges, confidence)  # an edge belongs to the bin it closes
    if binning == "equal_mass":
        ranks = torch.searchsorted(confidence.sort().values, confidence)
        return ranks * bins // len(confidence)
    raise ValueError(f"expected binning 'equal_width' or 'equal_mass', got {binning!r}")
