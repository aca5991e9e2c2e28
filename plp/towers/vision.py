"""What a backbone needs from the reader of an image tower."""

from abc import ABC, abstractmethod
from collections.abc import Sequence

from jaxtyping import Float
from torch import Tensor

from plp.errors import ConfigError
from plp.structures import ImageFeatures, ImagePrefix
from plp.towers.points import TowerPoints
from plp.towers.tower import NamedTower


class VisionTower(ABC):
    """Reads an image tower in one pass. Holds the module, owns no parameter.

    Attributes:
        streams: Names of the dense streams it can yield.
        dense_dim: W, their width; 0 where there is none.
        refusals: Why a stream that other towers have is missing here, by its name.
        sealed: Why nothing can act inside it, as a clause; '' where something can.
    """

    streams: tuple[str, ...] = ()
    dense_dim: int = 0
    refusals: dict[str, str]
    sealed: str = ""

    @property
    def description(self) -> NamedTower | None:
        """The tower as points name its parts; None where nothing can act inside."""
        return None

    @abstractmethod
    def encode(
        self,
        images: Float[Tensor, "B 3 H X"],
        streams: Sequence[str],
        points: TowerPoints | None = None,
    ) -> ImageFeatures:
        """Encode images; `streams` have been checked.

        Raises:
            ConfigError: for points that the tower does not have.
        """

    def prefix(
        self,
        images: Float[Tensor, "B 3 H X"],
        block: int,
        streams: Sequence[str] = (),
        points: TowerPoints | None = None,
    ) -> ImagePrefix:
        """Encode images up to a block, for `resume`: the part of a tower that nothing reaches.

        Args:
            images: Of the tower's own size.
            block: The first block that is not run; the number of blocks to stop behind the last.
            streams: Dense streams that will be wanted behind it.
            points: What acts on the tower, in front of the block and behind it.
        """
        raise ConfigError(f"expected a tower with blocks to stop in front of, but {self.sealed}")

    def resume(
        self, prefix: ImagePrefix, streams: Sequence[str] = (), points: TowerPoints | None = None
    ) -> ImageFeatures:
        """Encode what `prefix` stopped in front of, to the end; see `encode`.

        Raises:
            ConfigError: for a stream that `prefix` was not told of.
        """
        raise ConfigError(f"expected a tower with blocks to start in front of, but {self.sealed}")

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

    def _refuse(self, points: TowerPoints | None) -> None:
        """Refuse what would act inside a tower that is sealed."""
        if points is not None:
            streams = ", ".join(map(repr, self.streams)) or "none"
            raise ConfigError(
                f"nothing can act inside this image tower: {self.sealed}. What it has: the pooled "
                f"feature, and dense streams: {streams}. Use an image tower with blocks, or act on "
                "the text tower."
            )
