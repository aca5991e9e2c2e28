"""Classifiers of every method on a seeded CLIP that is traced in a second or two."""

from collections.abc import Sequence

import torch

from plp.api import Classifier
from plp.scoring.validation import score_batch, scores_of
from plp.structures import Shots
from plp.testing.clip_weights import ClipSize
from plp.transforms import ClipEval

SMALL = ClipSize(64, 64, 16, 128, 2, 128, 1)
CLASSES = ("cat", "golden retriever", "red fox")


def pixels_of(images: int, size: Sequence[int] = (SMALL.image, SMALL.image)) -> torch.Tensor:
    generator = torch.Generator().manual_seed(images)
    shape = (images, 3, *size)
    return torch.randint(0, 256, shape, dtype=torch.uint8, generator=generator)


def classifier_of(learner) -> Classifier:
    """Fit a learner that wants it, move it away from its start, give it a threshold."""
    size = learner.backbone.image_size
    if learner.needs_shots:
        shots = Shots(
            learner.encode_image(pixels_of(5, size)).pooled[None], torch.tensor([0, 1, 2, 0, 1])
        )
        learner.fit(shots, shots)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in learner.parameters():
            if parameter.requires_grad:
                parameter.add_(0.05 * torch.randn(parameter.shape, generator=generator))
    learner.train().eval()  # texts anew
    transform = ClipEval(size, learner.backbone.interpolation)
    scores = score_batch(learner, scores_of(learner), pixels_of(9, size))
    return Classifier(learner, transform, scores, recall=0.6)
