"""The part of an image tower in front of what tuners do: computed once, then started from."""

from collections.abc import Iterable

import torch
from jaxtyping import Float
from torch import Tensor

from plp.backbones.base import Backbone
from plp.errors import ConfigError
from plp.learners.encoding import encoded, one_pass
from plp.learners.passes import over_passes, vision_tower
from plp.structures import ImageFeatures, ImagePrefix, KeptImages, StartedImages
from plp.towers.points import TowerPoints
from plp.towers.tower import BlockTower
from plp.towers.vision import VisionTower
from plp.tuners.collection import Tuners


def first_tuned_block(backbone: Backbone, tuners: Tuners) -> int:
    """Return the first block of the image tower that a tuner acts on.

    The number of blocks where they only reach what lies behind the last; 0 also for a tower that is
    not read block by block.
    """
    with torch.no_grad():
        return _first_reached(backbone, tuners.image_points())


def kept(
    backbone: Backbone,
    tuners: Tuners,
    pixels: Float[Tensor, "B 3 H X"],
    own: Iterable[str],
    others: Iterable[str] = (),
) -> KeptImages:
    """Encode images as far as nothing that is learned reaches: what may be kept of them.

    That is all where no tuner acts on images; the tower in front of the first block that one acts
    on, and the frozen tower's features, where there is such a block; else the latter alone.
    """
    if not tuners.acts_on_images:
        return encoded(backbone, tuners, pixels, own, others)
    if block := first_tuned_block(backbone, tuners):
        return start(backbone, pixels, block, own, others)
    with torch.no_grad():
        return one_pass(backbone, pixels, others)


def start(
    backbone: Backbone,
    pixels: Float[Tensor, "B 3 H X"],
    block: int,
    own: Iterable[str],
    others: Iterable[str] = (),
) -> StartedImages:
    """Encode images up to a block, and with the frozen tower to the end; without a graph.

    Args:
        backbone: The frozen model.
        pixels: Normalised images.
        block: The first that a tuner acts on, from 1 up.
        own: Dense streams of the branches, which see what tuners do.
        others: Dense streams of references, which do not.
    """
    backbone.check_size(pixels)
    tower, own, others = _blockwise(backbone), set(own), sorted(others)
    with torch.no_grad():
        prefix = tower.prefix(pixels, block, sorted(own.union(others)))
        frozen = tower.resume(prefix, others)
    wanted = {name: stream for name, stream in prefix.dense.items() if name in own}
    return StartedImages(prefix._replace(dense=wanted), frozen)


def finish(
    backbone: Backbone, tuners: Tuners, started: StartedImages, own: Iterable[str]
) -> ImageFeatures:
    """Encode started images to the end, as `encoded` does from their pixels.

    Raises:
        ConfigError: for a tuner that now acts in front of the block they were started to.
    """
    if not isinstance(started.start, ImagePrefix):
        return encoded(backbone, tuners, started.start, own)._replace(frozen=started.frozen)
    points = tuners.image_points()
    first = _first_reached(backbone, points)
    if points is None or first < started.start.block:
        raise ConfigError(
            f"images were kept in front of block {started.start.block} of the image tower, but "
            f"now tuners act on block {first}: what is kept no longer fits. A tuner must reach the "
            "same blocks all through a run; or leave data.feature_cache and data.cache_features out"
        )
    tower, prefix, streams = _blockwise(backbone), started.start, sorted(own)
    features = over_passes(tuners, lambda one: tower.resume(prefix, streams, one))
    return features._replace(frozen=started.frozen)


def _first_reached(backbone: Backbone, points: TowerPoints | None) -> int:
    inside = backbone.inside("image")
    if points is None or not isinstance(inside, BlockTower) or vision_tower(backbone) is None:
        return 0
    return inside.first_reached(points)


def _blockwise(backbone: Backbone) -> VisionTower:
    tower = vision_tower(backbone)
    if tower is None:
        raise ConfigError(f"{type(backbone).__name__} is not read block by block")
    return tower
