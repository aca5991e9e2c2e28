"""What a learner takes for images, and how it becomes what a backbone takes."""

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from plp.backbones.base import Backbone
from plp.errors import ConfigError
from plp.structures import KeptImages
from plp.transforms.crops import Crops

Pixels = UInt8[Tensor, "B 3 H X"] | Float[Tensor, "B 3 H X"] | Crops
Images = Pixels | KeptImages

# Normalised pixels lie within a few units; what is this many times further out is no such thing.
_MARGIN = 10


def normalised(images: Pixels, backbone: Backbone) -> Float[Tensor, "B 3 H X"]:
    """Return images as a backbone takes them: crops are resized, pixels normalised.

    Raises:
        ConfigError: for integers that are not uint8, and floats no normalisation gives.
    """
    if isinstance(images, Crops):
        images = images.resized(backbone.image_size, backbone.interpolation)
    if not isinstance(images, Tensor):
        raise ConfigError(
            "expected images as a tensor [B, 3, H, W], uint8 or normalised floats, got "
            f"{type(images).__name__}"
        )
    if images.dtype == torch.uint8:
        return backbone.normalise(images)
    if not images.is_floating_point():
        raise ConfigError(
            f"expected images as uint8 pixels 0..255 or normalised floats, got {images.dtype}. "
            "Give pixels as images.to(torch.uint8)"
        )
    _check_range(images, backbone)
    return images


def _check_range(images: Float[Tensor, "B 3 H X"], backbone: Backbone) -> None:
    """Refuse pixels 0..255 as floats, which would give wrong scores without a word.

    Reads one number from the device. Programs that are traced have no values to look at.
    """
    tracing = torch.compiler.is_compiling() or torch.jit.is_tracing()
    if tracing or images.is_meta or type(images) is not Tensor or not images.numel():
        return
    seen = backbone.preprocessing
    ends = [max(m, 1 - m) / s for m, s in zip(seen.mean, seen.std, strict=True)]
    largest = float(torch.stack(images.detach().aminmax()).abs().amax())
    if _MARGIN * max(1.0, *ends) < largest < torch.inf:  # what is not finite is told elsewhere
        raise ConfigError(
            f"expected normalised images, within about {max(ends):.1f} of zero, got values up to "
            f"{largest:.4g}: these look like pixels 0..255. Give uint8, or normalise by "
            "backbone.normalise"
        )
