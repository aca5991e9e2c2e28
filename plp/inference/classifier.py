"""A trained classifier, ready to be asked."""

import logging
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from plp.checkpoints.checkpoint import save_checkpoint
from plp.errors import ConfigError, DataError
from plp.evaluation.finite import check_scores
from plp.inference.explanation import Explanation, explain
from plp.inference.files import list_and_report
from plp.inference.images import as_images, decode
from plp.inference.prediction import Prediction, Unreadable, predictions
from plp.inference.reading import Chunk, check_counts, read_chunks
from plp.inference.rejection import RECALL, Rejection, choose_rejection
from plp.inference.scoring import calibration_scores, finite_logits
from plp.inference.trained_on import without_shots
from plp.learners.prompt_learner import PromptLearner
from plp.probability import Probability
from plp.reader import asked_for
from plp.scoring.validation import scores_of, usual_score
from plp.structures import Evidence
from plp.transforms import Transform
from plp.transforms.pixels import Reading

logger = logging.getLogger("plp")

BATCH = 64
_AS_PUBLISHED = Reading()
_WORKERS = min(4, os.cpu_count() or 1)


class Classifier:
    """Predicts, rejects and explains with a trained learner.

    `plp.load` makes one that can be exported too (`plp.api.Classifier`).

    Texts are encoded once, when it is made. Methods may be called from several threads at a time;
    nothing of the learner changes.

    Args:
        learner: The trained learner, on its device.
        transform: Makes pixels of an image, as in training's tests.
        validation_scores: Out-of-distribution scores of held-out images by name of the score.
        score: The score to reject by; None for GL-MCM where a branch looks at patches, else MCM;
            MaxSigmoid where probabilities are of a sigmoid.
        recall: Share of in-distribution images to accept.
        info: What the checkpoint says about the training.
        compare_shots: Whether `calibrate` may open the folder of the training images that `info`
            names, where `info` does not say what its shots contain (that of an older plp).
        reading: How the pixels of images are understood, as in training.

    Raises:
        ConfigError: for a score this learner does not have, or a recall that is no share.
    """

    def __init__(
        self,
        learner: PromptLearner,
        transform: Transform,
        validation_scores: Mapping[str, Float[Tensor, " I"]],
        *,
        score: str | None = None,
        recall: float = RECALL,
        info: Mapping[str, Any] | None = None,
        compare_shots: bool = True,
        reading: Reading = _AS_PUBLISHED,
    ) -> None:
        self.learner = learner.eval()
        self.transform = transform
        self.reading = reading
        self.info = dict(info or {})
        self._compare_shots = compare_shots
        self._scores = scores_of(learner)
        usual = usual_score(self._scores, learner.probability)
        self.score = usual if score is None else score
        if self.score not in self._scores:
            has = ", ".join(self._scores)
            raise ConfigError(f"expected a score among {has}, got {score!r}")
        self._validation_scores = dict(validation_scores)
        self._rejection = self._choose(recall)
        size = learner.backbone.image_size
        with torch.no_grad():  # encodes the texts, and whatever else is made on first use
            self._look(torch.zeros(1, 3, *size, dtype=torch.uint8))

    @property
    def class_names(self) -> tuple[str, ...]:
        """The classes, in label order."""
        return self.learner.class_names

    @property
    def probability(self) -> Probability:
        """What probabilities are: of a 'softmax' over the classes, or of a 'sigmoid' of each."""
        return self.learner.probability

    @property
    def device(self) -> torch.device:
        """Where it computes."""
        return self.learner.backbone.device

    @property
    def rejection(self) -> Rejection:
        """The threshold in force, or why there is none."""
        return self._rejection

    def predict(
        self, images: Any, top_k: int = 5, *, batch_size: int = BATCH, workers: int = _WORKERS
    ) -> list[Prediction]:
        """Classify images.

        Args:
            images: One image or several: paths, PIL images, RGB arrays [H, W, 3] (uint8, or floats
                in [0, 1]), tensors [3, H, W], or a batch of arrays or tensors. All of them go
                through the resizing and cropping of the training's tests.
            top_k: Most probable classes to return.
            batch_size: Images looked at together; results do not depend on it.
            workers: Threads that decode.

        Returns:
            One prediction an image, in order; of a single image too.

        Raises:
            DataError: naming the first image that cannot be read.
            NotFiniteError: for logits or scores that are NaN or infinite.
        """
        found = []
        for one in self.stream(images, top_k, batch_size=batch_size, workers=workers):
            if isinstance(one, Unreadable):
                raise DataError(one.reason)
            found.append(one)
        return found

    def stream(
        self, images: Any, top_k: int = 5, *, batch_size: int = BATCH, workers: int = _WORKERS
    ) -> Iterator[Prediction | Unreadable]:
        """Classify images one after the other: any number, and past those that cannot be read.

        Args and order are those of `predict`.
        """
        check_counts(top_k=top_k, batch_size=batch_size, workers=workers)
        chunks = read_chunks(as_images(images), self.transform, batch_size, workers, self.reading)
        return (one for chunk in chunks for one in self._predict_chunk(chunk, top_k))

    def explain(
        self, image: Any, class_name: str | None = None, branch: str | None = None
    ) -> Explanation:
        """Say which patches of an image speak for a class, prompt by prompt.

        Args:
            image: One image, as `predict` takes it.
            class_name: The class; None for the predicted one.
            branch: Branch that compares patches; None for the first of them.

        Raises:
            DataError: for an image that cannot be read, or several.
            ConfigError: for an unknown class, or a method that compares no patches.
        """
        named = as_images(image)
        if len(named) != 1:
            raise DataError(f"expected one image to explain, got {len(named)}")
        image = decode(named[0], self.reading)
        return explain(self.learner, self.transform, image, named[0].name, class_name, branch)

    def calibrate(
        self, images: Any, recall: float | None = None, *, batch_size: int = BATCH
    ) -> Rejection:
        """Choose the threshold anew, on images of the classes that nothing was trained on.

        Shots of the training, by content, and copies of an image are left out with a warning.

        Args:
            images: A folder (all images in it and below), or images as `predict` takes them. Their
                classes need not be told.
            recall: Share of in-distribution images to accept; None for the one so far.
            batch_size: Images looked at together.

        Returns:
            The new threshold, or why there is none; it is in force from now on.

        Raises:
            DataError: naming an image that cannot be read.
        """
        one_path = isinstance(images, str | os.PathLike)
        listed = as_images(list_and_report([images]) if one_path else images)
        listed = without_shots(self.info, listed, self._compare_shots)
        chunks = read_chunks(listed, self.transform, batch_size, _WORKERS, self.reading)
        self._validation_scores = calibration_scores(self.learner, self._scores, chunks)
        self._rejection = self._choose(self._rejection.recall if recall is None else recall)
        return self._rejection

    def save(self, path: str | Path) -> Path:
        """Save a checkpoint with the scores that thresholds are chosen from, for `plp.load`."""
        info = {k: v for k, v in self.info.items() if k not in ("format", "class_names")}
        return save_checkpoint(path, self.learner, info, self._validation_scores, follow=True)

    def __repr__(self) -> str:
        backbone = type(self.learner.backbone).__name__
        return f"Classifier({len(self.class_names)} classes, {backbone}, {self.device})"

    def _choose(self, recall: float) -> Rejection:
        values = self._validation_scores.get(self.score, torch.zeros(0))
        return choose_rejection(self.score, values, recall)

    def _predict_chunk(self, chunk: Chunk, top_k: int) -> list[Prediction | Unreadable]:
        if chunk.pixels is None:
            return chunk.with_unreadable(())
        rejection = self._rejection  # one for the whole chunk, whoever calibrates meanwhile
        evidence, names = self._look(chunk.pixels), chunk.readable_names
        with torch.no_grad():
            scores = self._scores[self.score](evidence)
        logits = finite_logits(self.learner, evidence, names)
        check_scores({self.score: scores}, "prediction")
        classes, kind = self.class_names, self.probability
        return chunk.with_unreadable(
            predictions(names, logits, scores, classes, top_k, rejection, kind)
        )

    @torch.no_grad()
    def _look(self, pixels: Tensor) -> dict[str, Evidence]:
        asked = asked_for([self._scores[self.score]])
        return self.learner.evidence(pixels.to(self.device), **asked)
