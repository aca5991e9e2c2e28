"""An exported program against the classifier it was made of: numbers and speed."""

import copy
import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor

from plp.errors import ExportError
from plp.export.program import in_float32
from plp.inference.classifier import Classifier
from plp.inference.images import as_images, decode
from plp.learners.prompt_learner import PromptLearner
from plp.probability import probabilities_of
from plp.reader import asked_for
from plp.scoring.validation import scores_of
from plp.tuners.low_rank import LowRank

TOLERANCE = 1e-4
NOISE = (1, 2, 7)  # images of the batches of noise that every program is checked on
_BATCH = 16  # of given images
_TIMED, _ROUNDS = 8, 3

Run = Callable[[Tensor], Mapping[str, Tensor]]


class Check(NamedTuple):
    """How a program compares with its classifier.

    Attributes:
        images: Images both looked at.
        difference: Largest difference of a probability or a score; of a score beyond 1 relative.
        torch_speed: Images per second of the classifier, in batches of eight, on its device.
        speed: Images per second of the program, on the CPU with as many threads.
        merging: Largest difference that merging low-rank updates into weights makes, likewise; None
            where the classifier has none.
    """

    images: int
    difference: float
    torch_speed: float
    speed: float
    merging: float | None = None


def check(classifier: Classifier, run: Run, images: Any = None) -> Check:
    """Compare a program with its classifier on noise, and on images where they are given.

    Args:
        classifier: What it should compute.
        run: The program as it was read back from its file.
        images: Images as `Classifier.predict` takes them.

    Raises:
        ExportError: if a number differs by more than 1e-4.
        DataError: naming an image that cannot be read.
    """
    learner = in_float32(classifier.learner)
    timed = _run_of(classifier, learner)
    here = classifier.device.type == "cpu"  # on a GPU convolutions would round to ten bits (TF32)
    expected = timed if here else _run_of(classifier, copy.deepcopy(learner).cpu())
    beside = _beside(learner)
    trained = None if beside is None else _run_of(classifier, beside.cpu())
    count, worst, merging = 0, 0.0, 0.0
    for pixels in _batches(classifier, images):
        count += len(pixels)
        found = run(pixels)
        worst = max(worst, _difference(expected(pixels), found, classifier))
        if trained is not None:
            merging = max(merging, _difference(trained(pixels), found, classifier))
    speeds = _speeds(timed, run, _noise(classifier, _TIMED))
    return Check(count, worst, *speeds, None if trained is None else merging)


def _beside(learner: PromptLearner) -> PromptLearner | None:
    """Return a copy whose low-rank updates act beside the weights, as they were trained."""
    if not any(isinstance(tuner, LowRank) for _, tuner in learner.tuners.named()):
        return None
    own = copy.deepcopy(learner)
    for _, tuner in own.tuners.named():
        if isinstance(tuner, LowRank):
            tuner.merge = False
    return own


def _run_of(classifier: Classifier, learner: PromptLearner) -> Run:
    """Return what the classifier computes, by a copy of its learner."""
    device = learner.backbone.device
    score = scores_of(learner)[classifier.score]
    threshold = classifier.rejection.threshold

    @torch.no_grad()
    def run(pixels: Tensor) -> dict[str, Tensor]:
        evidence = learner.evidence(pixels.to(device), **asked_for([score]))
        logits = learner.logits_of(evidence)["logits"].float()
        found = {
            "probabilities": probabilities_of(logits, learner.probability).cpu(),
            "ood_score": score(evidence).float().cpu(),
        }
        accepted = {} if threshold is None else {"accepted": found["ood_score"] <= threshold}
        return found | accepted

    return run


def _batches(classifier: Classifier, images: Any) -> Iterator[Tensor]:
    yield from (_noise(classifier, number) for number in NOISE)
    named = [] if images is None else as_images(images)
    for first in range(0, len(named), _BATCH):
        part = named[first : first + _BATCH]
        yield torch.stack([classifier.transform(decode(one, classifier.reading)) for one in part])


def _noise(classifier: Classifier, images: int) -> Tensor:
    size = classifier.learner.backbone.image_size
    generator = torch.Generator().manual_seed(images)
    return torch.randint(0, 256, (images, 3, *size), dtype=torch.uint8, generator=generator)


def _difference(
    expected: Mapping[str, Tensor], found: Mapping[str, Tensor], classifier: Classifier
) -> float:
    """Return the largest difference.

    Raises:
        ExportError: if it is too large, or an image is accepted by one of them without being at the
            threshold.
    """
    if list(expected) != list(found):
        raise ExportError(f"expected the outputs {', '.join(expected)}, got {', '.join(found)}")
    worst = 0.0
    for name in ("probabilities", "ood_score"):
        gap = (found[name] - expected[name]).abs() / expected[name].abs().clamp_min(1.0)
        if not bool((gap <= TOLERANCE).all()):  # neither is a number that is none
            raise ExportError(
                f"the exported program differs from the classifier: {name} by "
                f"{float(gap.max()):.2g}, expected at most {TOLERANCE:g}. Nothing was written. "
                "More Sinkhorn iterations (iterations, --iterations) help where a small epsilon "
                "needs them"
            )
        worst = max(worst, float(gap.max()))
    if "accepted" in expected:
        away = (expected["ood_score"] - (classifier.rejection.threshold or 0.0)).abs() > TOLERANCE
        if bool(((found["accepted"] != expected["accepted"]) & away).any()):
            raise ExportError("the exported program accepts other images. Nothing was written")
    return worst


def _speeds(expected: Run, run: Run, pixels: Tensor) -> tuple[float, float]:
    """Return images per second of both, which take turns: medians, after one round to warm up."""
    seconds: tuple[list[float], list[float]] = ([], [])
    for _ in range(1 + _ROUNDS):
        for one, taken in zip((expected, run), seconds, strict=True):
            begin = time.perf_counter()
            one(pixels)
            taken.append(time.perf_counter() - begin)
    first, second = (len(pixels) / statistics.median(taken[1:]) for taken in seconds)
    return first, second
