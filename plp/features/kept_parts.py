"""Which parts of a run's images are kept as features, where tuners act on the image tower."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import torch

from plp.datasets import ImageDataset
from plp.datasets.kept_tensors import KeptTensors
from plp.learners.prompt_learner import PromptLearner
from plp.learners.started import first_tuned_block
from plp.transforms import Transform

_MIB = 2**20


class KeptParts(NamedTuple):
    """What is kept of a run's images.

    Attributes:
        parts: Those whose features are kept: train, val, test.
        notes: What is to be said about it; nothing where no tuner acts on images.
    """

    parts: tuple[str, ...]
    notes: tuple[str, ...] = ()


def kept_parts(
    images: Mapping[str, ImageDataset],
    learner: PromptLearner,
    views: int | str,
    limit: int,
    asked: Iterable[str],
) -> KeptParts:
    """Say of which parts features are kept.

    - No tuner acts on images: all that are asked for.
    - The first block that one acts on has others in front of it: those whose views come back, as
      long as they fit. What enters that block is kept, and the frozen tower's features.
    - There is none in front of it: those for which anything looks at the frozen tower's features.

    Args:
        images: Images by part, in the order in which they get room.
        learner: Its tuners act.
        views: Views of a training image; 'epoch' for a new one each epoch.
        limit: MiB that may be taken in all by what enters a block.
        asked: Parts whose features are to be kept.
    """
    parts = tuple(part for part in images if part in set(asked))
    if not parts or not learner.tuners.acts_on_images:
        return KeptParts(parts)
    back = {p: number for p in parts if (number := views_that_come_back(p, images[p], views))}
    notes = [] if len(back) == len(parts) else [_about_random(views)]
    block = first_tuned_block(learner.backbone, learner.tuners)
    if not block:
        parts = tuple(part for part in back if _frozen_wanted(learner, part))
        return KeptParts(parts, (_about_first_block(parts), *notes))
    sizes = {part: number * len(images[part]) for part, number in back.items()}
    return _fitting(sizes, learner, block, limit, notes)


def views_that_come_back(part: str, images: ImageDataset, views: int | str) -> int:
    """Return how many views an image has that come back; 0 for none.

    Args:
        part: 'train', 'val' or 'test'.
        images: Its images.
        views: Views of a training image; 'epoch' for a new one each epoch, which comes back only
            where the transform is deterministic.
    """
    if not isinstance(images.transform, Transform):  # nothing tells what it does
        return 0
    if part != "train" or images.transform.deterministic:
        return 1
    return views if isinstance(views, int) else 0


def _frozen_wanted(learner: PromptLearner, part: str) -> bool:
    if part == "train":
        return any(term.needs_frozen_images for term in learner.losses.values())
    return len(learner.references) > 0


def _fitting(
    sizes: Mapping[str, int], learner: PromptLearner, block: int, limit: int, notes: list[str]
) -> KeptParts:
    """Give parts room, one after the other."""
    each, kept, taken = mebibytes_per_view(learner), [], 0.0
    for part, number in sizes.items():
        if taken + number * each > limit:
            notes.append(
                f"{part}: {number} views would take {number * each:.3g} MiB, and of "
                f"data.prefix_cache={limit} MiB {limit - taken:.3g} are left: they are encoded "
                "anew whenever they are needed"
            )
            continue
        taken += number * each
        kept.append(part)
    blocks = len(learner.backbone.inside("image").layers())
    where = f"from block {block} on" if block < blocks else "behind the last block"
    named = ", ".join(kept) or "nothing"
    told = (
        f"tuners act on the image tower {where} (of {blocks}, counted from 0): what "
        f"enters there is encoded once and kept, {each:.3g} MiB per view: {named} ({taken:.3g} MiB)"
    )
    return KeptParts(tuple(kept), (told, *notes))


def mebibytes_per_view(learner: PromptLearner) -> float:
    """Return what is kept of a view, by encoding a black one."""
    blank = torch.zeros(
        1, 3, *learner.backbone.image_size, dtype=torch.uint8, device=learner.backbone.device
    )
    tensors = KeptTensors.of(learner.keep_image(blank, references=True)).tensors.values()
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors) / _MIB


def _about_random(views: int | str) -> str:
    return (
        "of training images nothing is kept, for their views do not come back "
        f"(data.views={views!r} and a random data.train_transform)"
    )


def _about_first_block(parts: tuple[str, ...]) -> str:
    frozen = f"the frozen tower's features of {', '.join(parts)}" if parts else "nothing"
    return (
        "tuners act on the image tower from its first block on, so that nothing of the tuned tower "
        f"can be kept; kept: {frozen}"
    )
