"""Several passes of each image through its tower, as the features of one."""

from collections.abc import Callable, Iterable, Sequence

import torch

from plp.backbones.base import Backbone
from plp.structures import ImageFeatures, ImagePrefix
from plp.towers.points import TowerPoints
from plp.towers.vision import VisionTower
from plp.tuners.collection import Tuners


def over_passes(
    tuners: Tuners, run: Callable[[TowerPoints | None], ImageFeatures]
) -> ImageFeatures:
    """Return what `run` makes of the points of each pass, joined.

    Args:
        tuners: What acts on the passes.
        run: Encodes the images with points.
    """
    found = [run(tuners.image_points(n)) for n in range(tuners.image_passes)]
    return found[0] if len(found) == 1 else joined_passes(found)


def shared_passes(
    backbone: Backbone, tuners: Tuners, pixels: torch.Tensor, streams: Iterable[str]
) -> ImageFeatures:
    """Encode images as often as tuners ask for; what lies in front of block 0 is made once."""
    wanted, tower = sorted(streams), vision_tower(backbone)
    if tower is None:
        return over_passes(tuners, lambda points: backbone.encode_image(pixels, wanted, points))
    backbone.check_streams(wanted)
    backbone.check_size(pixels)
    prefix: ImagePrefix = tower.prefix(pixels, 0, wanted, tuners.image_points())
    return over_passes(tuners, lambda points: tower.resume(prefix, wanted, points))


def vision_tower(backbone: Backbone) -> VisionTower | None:
    """Return the image tower as plp reads it; None for a backbone that is read in another way."""
    tower = getattr(backbone, "image_tower", None)  # of TowerBackbone
    return tower if isinstance(tower, VisionTower) else None


def joined_passes(found: Sequence[ImageFeatures]) -> ImageFeatures:
    """Return the features of several passes of the same images.

    `pooled`, dense streams and read tokens are means over the passes; `passes` has every pooled
    feature.
    """
    every = torch.stack([one.pooled for one in found], dim=1)  # [B, M, E]
    first = found[0]
    dense = {k: torch.stack([one.dense[k] for one in found]).mean(0) for k in first.dense}
    extra = {k: torch.stack([one.extra[k] for one in found]).mean(0) for k in first.extra}
    return ImageFeatures(every.mean(1), dense, first.grid, extra, passes=every)
