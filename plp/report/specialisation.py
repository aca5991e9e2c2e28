"""What the prompts of a trained learner have become: how alike they are, and what each looks at."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, cast

import numpy as np
import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from plp.branches.base import Branch
from plp.branches.local_branch import LocalBranch
from plp.datasets import read_image
from plp.errors import DataError
from plp.inference.explanation import Explanation, explain
from plp.learners.prompt_learner import PromptLearner
from plp.report.tested import Tested
from plp.transforms import Transform
from plp.transforms.pixels import Reading

_AS_PUBLISHED = Reading()
IMAGES = 12  # test images whose plans are averaged


class Seen(NamedTuple):
    """A test image explained for its true class.

    Attributes:
        place: Its place in the test.
        image: The image.
        explanation: Of it.
    """

    place: int
    image: Image.Image
    explanation: Explanation


class Specialisation(NamedTuple):
    """How far prompts differ.

    Attributes:
        texts: By branch with several prompts: cosine between the texts of two prompts of a class,
            averaged over classes; 1 where the prompts are the same.
        branch: Branch that compares patches; None if none does, and the rest is empty.
        seen: Test images, explained for their true classes.
    """

    texts: dict[str, Float[np.ndarray, "N N"]]
    branch: str | None
    seen: tuple[Seen, ...]


def specialisation(
    learner: PromptLearner,
    transform: Transform,
    tested: Tested,
    root: Path,
    reading: Reading = _AS_PUBLISHED,
) -> Specialisation:
    """Look at a learner's prompts, and at what they do with some test images.

    Args:
        learner: The trained learner.
        transform: Of the test.
        tested: The test: the first images of each class are looked at, `IMAGES` in all; those that
            cannot be read are passed over.
        root: The folder their paths are relative to.
        reading: How the pixels of their files are understood.
    """
    local = [name for name, part in learner.branches.items() if isinstance(part, LocalBranch)]
    branch = local[0] if local else None
    seen = []
    for place in some_of_each_class(tested, IMAGES) if branch else ():
        item = tested.items[place]
        try:
            image = read_image(root / item.path, *reading)
        except DataError:
            continue
        name = tested.class_names[item.label]
        seen.append(Seen(place, image, explain(learner, transform, image, item.path, name, branch)))
    return Specialisation(text_cosines(learner), branch, tuple(seen))


def some_of_each_class(tested: Tested, most: int) -> list[int]:
    """Return places of test images: the first of each class, then the second, up to `most`.

    Of more classes than that, those are taken that lie evenly among them. Classes that share their
    name with an earlier one are passed over: a name means the first.
    """
    names = tested.class_names
    first = {name: label for label, name in reversed(list(enumerate(names)))}
    places: dict[int, list[int]] = {}
    for place, item in enumerate(tested.items):
        if first[names[item.label]] == item.label:
            places.setdefault(item.label, []).append(place)
    labels = sorted(places)
    if len(labels) > most:
        labels = [labels[i * len(labels) // most] for i in range(most)]
    rounds = max((len(places[label]) for label in labels), default=0)
    found = [
        places[label][turn] for turn in range(rounds) for label in labels
        if turn < len(places[label])
    ]  # fmt: skip
    return found[:most]


@torch.no_grad()
def text_cosines(learner: PromptLearner) -> dict[str, Float[np.ndarray, "N N"]]:
    """Return how alike the texts of a class's prompts are, by branch with several prompts.

    Empty where prompts see images: their texts differ from image to image.
    """
    prompts = [cast(Branch, part).prompt for part in learner.branches.values()]
    if any(prompt is not None and prompt.sees_images for prompt in prompts):
        return {}
    texts = {name: text for name, text in learner.encode_text().items() if text.shape[-2] > 1}
    return {name: _cosines(text) for name, text in texts.items()}


def overlaps(explanations: Sequence[Explanation]) -> Float[np.ndarray, "N N"]:
    """Return how much of their mass two prompts send to the same patches, averaged over images.

    sum over patches of min(P_n / |P_n|, P_m / |P_m|): 1 for equal spreads, 0 for disjoint ones, NaN
    where one of them has no mass on any image.
    """
    tables = []
    for one in explanations:
        maps = np.nan_to_num(one.plan_maps).reshape(len(one.prompts), -1).astype(np.float64)
        mass = maps.sum(1, keepdims=True)
        spread = np.divide(maps, mass, out=np.full_like(maps, np.nan), where=mass > 0)
        tables.append(np.minimum(spread[:, None], spread[None]).sum(-1))
    stack = np.stack(tables)
    count = np.isfinite(stack).sum(0)
    total = np.nansum(stack, 0)
    return np.divide(total, count, out=np.full_like(total, np.nan), where=count > 0)


def _cosines(text: Float[Tensor, "C N E"]) -> Float[np.ndarray, "N N"]:
    unit = F.normalize(text.float(), dim=-1)
    return torch.einsum("cne,cme->nm", unit, unit).div(len(unit)).cpu().numpy()
