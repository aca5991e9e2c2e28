"""What a backbone needs from the reader of an image tower."""

from abc import ABC, abstractmethod
from collections.abc import Sequence

from jaxtyping import Float
from torch import Tensor

from plp.errors import ConfigError
from plp.structures import ImageFeatures


class VisionTower(ABC):
    """Reads an image tower in one pass. Holds the module, owns no parameter.

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
