"""What `OpenCLIPBackbone` needs from a vision tower, and the towers that only pool."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

from jaxtyping import Float
from torch import Tensor

from plp.errors import ConfigError
from plp.structures import ImageFeatures


class VisionTower(ABC):
    """Reads an open_clip vision tower in one pass. Holds the module, owns no parameter.

    Attributes:
        streams: Names of the dense streams it can yield.
        dense_dim: W, their width; 0 where there is none.
        refusals: Why a stream that other towers have is missing here, by its name.
    """

    streams: tuple[str, ...] = ()
    dense_dim: int = 0
    refusals: dict[str, str]

    @abstractmethod
    def encode(self, images: Float[Tensor, "B 3 H X"], streams: Sequence[str]) -> ImageFeatures:
        """Encode images; `streams` have been checked."""

    @abstractmethod
    def project(self, dense: Float[Tensor, "B P W"]) -> Float[Tensor, "B P E"]:
        """Map dense features into the joint space."""

    def check(self, streams: Sequence[str], owner: str) -> None:
        """Refuse a stream this tower does not have.

        Raises:
            ConfigError: naming the streams it has, and why this one is missing if that is known.
        """
        if isinstance(streams, str):
            raise ConfigError(f"streams: expected a sequence of names, got the string {streams!r}")
        for stream in streams:
            if stream not in self.streams:
                why = f": {self.refusals[stream]}" if stream in self.refusals else ""
                has = ", ".join(map(repr, self.streams)) or "none"
                raise ConfigError(
                    f"{owner} has no dense stream {stream!r}{why}. Its dense streams: {has}."
                )


class PooledTower(VisionTower):
    """A tower whose patch features do not live in the joint space: pooled features only.

    Args:
        model: The open_clip model.
        why: Why it has no dense streams, as a clause.
    """

    def __init__(self, model: Any, why: str) -> None:
        self.model = model
        self.why = why
        self.refusals = dict.fromkeys(("vv", "value", "tokens"), why)

    def encode(self, images: Float[Tensor, "B 3 H X"], streams: Sequence[str]) -> ImageFeatures:
        """Encode images by open_clip's own `encode_image`."""
        pooled = self.model.encode_image(images, normalize=False)
        if isinstance(pooled, tuple):  # towers configured with output_tokens
            pooled = pooled[0]
        return ImageFeatures(pooled, {}, (0, 0))

    def project(self, dense: Float[Tensor, "B P W"]) -> Float[Tensor, "B P E"]:
        """Refuse: there are no dense features."""
        raise ConfigError(f"there are no dense features to project: {self.why}")
