"""The description of an image tower that is a transformer."""

from abc import abstractmethod

from jaxtyping import Float
from torch import Tensor

from plp.errors import ConfigError
from plp.towers.points import TowerPoints
from plp.towers.tower import BlockTower


class ImageTower(BlockTower):
    """Pixels to tokens, blocks, tokens to the pooled feature, one patch into the joint space.

    A reader of a family says these things once. Streams, and whatever else looks into a tower, are
    written against them.

    Holds the library's modules in the attributes that `roots` names, owns no parameter. `blocks`
    says what it is made of; `matrices`, `norms` and `at` follow from that (`plp.towers.tower`).

    Attributes:
        width: W, width of a token.
        prefix: Tokens in front of the patches: class token, registers.
        pooled_rows: How many of the first tokens the pooled feature is read from; None for all.
            The last block computes no others unless they are wanted.
        grid: Rows and columns of patches.
    """

    width: int
    prefix: int
    pooled_rows: int | None
    grid: tuple[int, int]

    @abstractmethod
    def embed(self, images: Float[Tensor, "B 3 H X"]) -> Float[Tensor, "B L W"]:
        """Return the tokens, with their positions where these are added to them."""

    def first_norm(self, tokens: Float[Tensor, "B L W"]) -> Float[Tensor, "B L W"]:
        """Return what enters the first block: the tokens behind a norm, where one stands there."""
        return tokens

    @abstractmethod
    def finish(self, tokens: Float[Tensor, "B P W"]) -> Float[Tensor, "B P W"]:
        """Return patches behind the last norm: what a projection head starts from.

        Where that norm belongs to the pooling, tokens come back as they are.
        """

    @abstractmethod
    def pool(self, tokens: Float[Tensor, "B L W"]) -> Float[Tensor, "B E"]:
        """Return the pooled feature of the last block's tokens, `pooled_rows` of them or more."""

    @abstractmethod
    def project(self, dense: Float[Tensor, "B P W"]) -> Float[Tensor, "B P E"]:
        """Send finished patches the way of the pooled feature, each as if it were alone.

        - class token: through the head that the class token goes through.
        - mean pooling: the mean of one patch is the patch.
        - attention pooling: with one key the attention's weight is 1, whatever the query, so that
          the patch's value goes through the output projection and what follows it.
        """

    def _check(self, points: TowerPoints) -> None:
        """Refuse places of a text."""
        super()._check(points)
        for name, group in points.extra.items():
            if group.at is not None:
                raise ConfigError(
                    f"extra tokens {name!r}: at={group.at} is a place in a text tower. In an image "
                    "tower they stand behind class and register tokens; leave it out."
                )
