"""Resizing with antialiasing as two products of matrices, many images of unlike sizes at a time.

Along one axis the resized image is linear in the image: with scale s = max(size / out, 1), pixel j
counts k((j + 1/2 - c) / s) for the output i whose centre is c = (i + 1/2) size / out, divided by
the sum over the pixels whose centres lie within s times the kernel's radius of c. The kernels are
the triangle and Keys' cubic convolution (1981, a = -1/2), as in PIL. Between the two passes PIL
rounds to whole numbers, clips, and takes 22 bits of each weight; so does this. Sums are then exact
in float64, whatever their order: an image is the same bit for bit in any batch and on any device.
"""

from collections.abc import Callable

import torch
from jaxtyping import Float64, Int
from torch import Tensor

Kernel = Callable[[Float64[Tensor, "..."]], Float64[Tensor, "..."]]
_FRACTION = 2**22  # of PIL's weights


def _triangle(x: Float64[Tensor, "..."]) -> Float64[Tensor, "..."]:
    return (1 - x.abs()).clamp(min=0)


def _cubic(x: Float64[Tensor, "..."]) -> Float64[Tensor, "..."]:
    a, x = -0.5, x.abs()
    near = ((a + 2) * x - (a + 3)) * x * x + 1
    far = (((x - 5) * x + 8) * x - 4) * a
    return torch.where(x < 1, near, torch.where(x < 2, far, 0.0))


KERNELS: dict[str, tuple[Kernel, float]] = {  # with their radius
    "bilinear": (_triangle, 1.0),
    "bicubic": (_cubic, 2.0),
}


def weights(
    sizes: Int[Tensor, " B"], longest: int, out: int, interpolation: str
) -> Float64[Tensor, "B out longest"]:
    """Return what each pixel of an axis counts in each output; zero beyond an image's end.

    Args:
        sizes: Pixels of each image along the axis.
        longest: The most of them; a number, for the tensor may be on a device.
        out: Pixels wanted.
        interpolation: 'bicubic' or 'bilinear'.

    Example:
        >>> weights(torch.tensor([4, 2]), 4, 2, 'bilinear').float()
        tensor([[[0.4286, 0.4286, 0.1429, 0.0000],
                 [0.0000, 0.1429, 0.4286, 0.4286]],
        <BLANKLINE>
                [[1.0000, 0.0000, 0.0000, 0.0000],
                 [0.0000, 1.0000, 0.0000, 0.0000]]])
    """
    kernel, radius = KERNELS[interpolation]
    size = sizes.double()[:, None, None]
    step = size / out
    scale = step.clamp(min=1)
    places = torch.arange(out, dtype=torch.float64, device=sizes.device)[None, :, None]
    centre = (places + 0.5) * step
    pixels = torch.arange(longest, dtype=torch.float64, device=sizes.device)
    first = (centre - radius * scale + 0.5).floor()
    end = (centre + radius * scale + 0.5).floor().minimum(size)
    found = kernel((pixels - centre + 0.5) / scale)
    found = torch.where((pixels >= first) & (pixels < end), found, 0.0)
    found /= found.sum(-1, keepdim=True)
    return found.mul_(_FRACTION).round_().div_(_FRACTION)


def whole_numbers(values: Float64[Tensor, "..."]) -> Float64[Tensor, "..."]:
    """Round to the pixel values there are, halves up, in place."""
    return values.add_(0.5).floor_().clamp_(0, 255)
