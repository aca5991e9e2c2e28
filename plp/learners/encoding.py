"""Images through a tower: once for branches, once more for whoever sees it as it is."""

from collections.abc import Iterable

import torch
from jaxtyping import Float
from torch import Tensor

from plp.backbones.base import Backbone
from plp.learners.passes import shared_passes
from plp.structures import ImageFeatures
from plp.towers.points import TowerPoints
from plp.tuners.collection import Tuners


def encoded(
    backbone: Backbone,
    tuners: Tuners,
    pixels: Float[Tensor, "B 3 H X"],
    own: Iterable[str],
    others: Iterable[str] = (),
    frozen: bool = False,
) -> ImageFeatures:
    """Encode images; without a graph where no tuner acts on them.

    Args:
        backbone: The frozen model.
        tuners: What acts inside it.
        pixels: Normalised images.
        own: Dense streams of the branches, which see what tuners do.
        others: Dense streams of references, which do not.
        frozen: Whether the features of the frozen tower are wanted too, where they differ.
    """
    if not tuners.acts_on_images:
        with torch.no_grad():
            return one_pass(backbone, pixels, {*own, *others})
    if tuners.image_passes > 1:
        features = shared_passes(backbone, tuners, pixels, own)
    else:
        features = one_pass(backbone, pixels, own, tuners.image_points())
    if not frozen:
        return features
    with torch.no_grad():
        return features._replace(frozen=one_pass(backbone, pixels, others))


def one_pass(
    backbone: Backbone, pixels: Tensor, streams: Iterable[str], points: TowerPoints | None = None
) -> ImageFeatures:
    """Encode images, with something acting inside the tower or not."""
    wanted = tuple(sorted(streams))
    if points is None:  # a backbone of a user's own need not know of points
        return backbone.encode_image(pixels, wanted)
    return backbone.encode_image(pixels, wanted, points)
