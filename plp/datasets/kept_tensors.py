"""What is kept of images as tensors by name: what lies in memory, or in a file."""

from collections.abc import Mapping
from typing import NamedTuple

from torch import Tensor

from plp.structures import ImageFeatures, ImagePrefix, KeptImages, StartedImages

POOLED, DENSE = "pooled", "dense."  # names of tensors
_TOKENS, _STREAM = "prefix.tokens", "prefix.dense."


class KeptTensors(NamedTuple):
    """Features of a batch, or images in front of a block, taken apart.

    Attributes:
        tensors: Their first axis is B.
        grid: Rows and columns of patches.
        block: The block that images stand in front of; None for features alone.
    """

    tensors: Mapping[str, Tensor]
    grid: tuple[int, int]
    block: int | None = None

    @classmethod
    def of(cls, images: KeptImages) -> "KeptTensors":
        """Take features apart.

        Raises:
            TypeError: for pixels, which are read from their files.
        """
        features = images.untuned
        tensors = {POOLED: features.pooled} | _named(DENSE, features.dense)
        if not isinstance(images, StartedImages):
            return cls(tensors, features.grid)
        prefix = images.start
        if not isinstance(prefix, ImagePrefix):
            raise TypeError("expected images in front of a block, got pixels")
        tensors |= {_TOKENS: prefix.tokens} | _named(_STREAM, prefix.dense)
        return cls(tensors, features.grid, prefix.block)

    def images(self) -> KeptImages:
        """Put them together again."""
        features = ImageFeatures(self.tensors[POOLED], _under(DENSE, self.tensors), self.grid)
        if self.block is None:
            return features
        streams = _under(_STREAM, self.tensors)
        return StartedImages(ImagePrefix(self.block, self.tensors[_TOKENS], streams), features)


def _named(prefix: str, streams: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {prefix + name: stream for name, stream in streams.items()}


def _under(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    found = ((name, tensor) for name, tensor in tensors.items() if name.startswith(prefix))
    return {name.removeprefix(prefix): tensor for name, tensor in found}
