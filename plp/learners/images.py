"""What a learner takes for images, and how it becomes what a backbone takes."""

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from plp.backbones.base import Backbone
from plp.structures import ImageFeatures
from plp.transforms.crops import Crops

Pixels = UInt8[Tensor, "B 3 H X"] | Float[Tensor, "B 3 H X"] | Crops
Images = Pixels | ImageFeatures


def normalised(images: Pixels, backbone: Backbone) -> Float[Tensor, "B 3 H X"]:
    """Return images as a backbone takes them: crops are resized, pixels normalised."""
    if isinstance(images, Crops):
        images = images.resized(backbone.image_size, backbone.interpolation)
    return backbone.normalise(images) if images.dtype == torch.uint8 else images
