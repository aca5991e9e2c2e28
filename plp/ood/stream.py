"""Scoring images batch by batch: scores are kept, features and evidence are not."""

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal, NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from plp.datasets import FrozenBeside, ImageDataset, build_loader
from plp.datasets.decoders import decoders
from plp.datasets.decoding import Traits
from plp.errors import DataError
from plp.evaluation import Judged, judge
from plp.evaluation.finite import PREDICTION, not_finite
from plp.learners.prompt_learner import Images, PromptLearner
from plp.ood.cache import Stored
from plp.ood.readable import Readable, Unreadable
from plp.progress import Progress
from plp.reader import asked_for
from plp.scores import Score
from plp.scoring.choose import Scoring
from plp.structures import Evidence

OnError = Literal["stop", "skip"]

logger = logging.getLogger("plp")


class Export(NamedTuple):
    """What other toolkits start from.

    Attributes:
        logits: Of the prediction, logit scale applied.
        pooled: Pooled image features in the joint space, not normalised.
    """

    logits: Float[Tensor, "I C"]
    pooled: Float[Tensor, "I E"]


class Scored(NamedTuple):
    """What is kept of the images of a set, in their order; I is the number that could be read.

    Attributes:
        scores: By name of the score.
        judged: Predictions held against the labels by line of evidence; empty without labels.
        indices: Positions in the list of images.
        unreadable: Images that were left out.
        export: Logits and features, where asked for.
        not_finite: Which images have logits that are NaN or infinite, by line of evidence.
        traits: Of the files that were decoded, as far as there is anything to say about them.
    """

    scores: dict[str, Float[Tensor, " I"]]
    judged: dict[str, Judged]
    indices: Int[Tensor, " I"]
    unreadable: tuple[Unreadable, ...]
    export: Export | None
    not_finite: dict[str, Bool[Tensor, " I"]]
    traits: tuple[Traits, ...] = ()


class Evidences(NamedTuple):
    """What a learner and its references say about a batch.

    Attributes:
        pooled: Pooled image features.
        branches: Evidence of the branches, which the prediction is made from.
        references: Evidence of the references.
    """

    pooled: Float[Tensor, "B E"]
    branches: dict[str, Evidence]
    references: dict[str, Evidence]


def score_images(
    learner: PromptLearner,
    scorings: Mapping[str, Scoring],
    images: ImageDataset,
    *,
    batch_size: int,
    num_workers: int,
    labelled: bool = False,
    on_error: OnError = "stop",
    export: bool = False,
    stored: Stored | None = None,
    what: str = "images",
) -> Scored:
    """Score every image of a list.

    Memory does not grow with the number of images but for the results: a number a score, and with
    `labelled` four numbers a line of evidence. With `export`, logits and features are kept too.

    Args:
        learner: The trained learner.
        scorings: Scores by name.
        images: The images, each seen once, in order.
        batch_size: Images a step.
        num_workers: Processes that decode.
        labelled: Judge predictions by the labels.
        on_error: 'stop' at the first image that cannot be read, or 'skip' it, name it, and go on.
        export: Keep logits and features.
        stored: Features of the images, where they are on disk; else images are encoded as they
            come.
        what: What the images are, for a line of progress every few seconds.

    Raises:
        DataError: naming an image that cannot be read, or if none can.
    """
    learner.eval()
    rows: list[dict[str, Any]] = []
    unreadable: list[Unreadable] = []
    progress = Progress(f"scoring {what}", len(images))
    traits: list[Traits] = []
    for batch in _batches(images, stored, batch_size, num_workers):
        for one in batch.pop("unreadable"):
            _report(one, len(images), on_error)
            unreadable.append(one)
        traits += batch.pop("traits")
        if batch:
            rows.append(_score_batch(learner, scorings, batch, labelled, export))
            progress.add(len(batch["indices"]))
    if not rows:
        raise DataError(f"none of the {len(images)} images can be read; {unreadable[0].reason}")
    joined = _join(rows)
    return Scored(
        joined["scores"], joined["judged"], joined["indices"], tuple(unreadable), joined["export"],
        joined["not_finite"], tuple(traits),
    )  # fmt: skip


def _batches(
    images: ImageDataset, stored: Stored | None, batch_size: int, num_workers: int
) -> Iterator[dict[str, Any]]:
    """Yield batches of pixels or features with labels, places in the list, and what is missing."""
    if stored is None:
        readable, size = Readable(images), min(batch_size, len(images))
        workers = decoders(images, num_workers)
        yield from build_loader(readable, size, False, views=1, num_workers=workers).loader
        return
    unreadable = [Unreadable(*one) for one in stored.unreadable]
    yield {"unreadable": unreadable, "traits": stored.traits}
    decoding = isinstance(stored.dataset, FrozenBeside)
    workers = decoders(stored.dataset, num_workers) if decoding else 0
    size = min(batch_size, len(stored.dataset))
    for batch in build_loader(stored.dataset, size, False, views=1, num_workers=workers).loader:
        yield {**batch, "indices": stored.places[batch["indices"]], "unreadable": [], "traits": []}


@torch.no_grad()
def look(learner: PromptLearner, images: Images, scores: Iterable[Score]) -> Evidences:
    """Return what all branches and references say about images, encoded once, for some scores."""
    asked = asked_for(scores)
    features = learner.encode_image(images, references=True)
    branches = learner.evidence(features, **asked)
    references = learner.evidence(features, references=True, **asked)
    return Evidences(features.pooled, branches, references)


def _score_batch(
    learner: PromptLearner,
    scorings: Mapping[str, Scoring],
    batch: Mapping[str, Any],
    labelled: bool,
    export: bool,
) -> dict[str, Any]:
    images = batch["images"].to(learner.backbone.device)
    found = look(learner, images, (one.score for one in scorings.values()))
    scores = {
        name: score(_part(found, reference)).float().cpu()
        for name, (score, reference) in scorings.items()
    }
    logits = _logits(learner, found)
    judged = {}
    if labelled:
        labels = batch["labels"]
        kind = learner.probability
        judged = {line: judge(value.cpu(), labels, kind) for line, value in logits.items()}
    kept = Export(logits[PREDICTION].cpu(), found.pooled.float().cpu()) if export else None
    bad = {line: not_finite(value) for line, value in logits.items()}
    return {
        "scores": scores,
        "judged": judged,
        "indices": batch["indices"],
        "export": kept,
        "not_finite": bad,
    }


def _part(found: Evidences, reference: str | None) -> dict[str, Evidence]:
    return found.branches if reference is None else {reference: found.references[reference]}


def _logits(learner: PromptLearner, found: Evidences) -> dict[str, Float[Tensor, "B C"]]:
    """Return logits by line of evidence: of the prediction, each branch, each reference."""
    lines = learner.logits_of(found.branches, found.references)
    lines = {PREDICTION: lines.pop("logits"), **lines}
    return {name: value.float() for name, value in lines.items()}


def _report(one: Unreadable, total: int, on_error: OnError) -> None:
    if on_error == "stop":
        raise DataError(
            f"{one.reason}. It is image {one.place + 1} of {total}; fix or remove it, or leave "
            "unreadable images out with --on-error skip"
        )
    logger.warning("left out: %s", one.reason)


def _join(rows: Sequence[Any]) -> Any:
    """Concatenate tensors along the first axis through dicts and named tuples."""
    first = rows[0]
    if first is None:
        return None
    if isinstance(first, Tensor):
        return torch.cat(list(rows))
    if isinstance(first, Mapping):
        return {key: _join([row[key] for row in rows]) for key in first}
    return type(first)(*(_join(parts) for parts in zip(*rows, strict=True)))
