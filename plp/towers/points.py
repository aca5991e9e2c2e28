"""What acts on a tower from outside, and where: the plain object that is handed down to it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from jaxtyping import Float
from torch import Tensor

from plp._moved import moved_name
from plp.errors import ConfigError

NOTHING: Mapping[str, Any] = MappingProxyType({})

# What a matrix reads -> what is added to its product. Each token on its own: in a packed text
# tower the leading axes are not [text, place].
Update = Callable[[Tensor], Tensor]
# Input of a part of a block, and what the part reads of it -> what is added to its output; each
# token on its own.
Residual = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class ExtraTokens:
    """Tokens beside a tower's own.

    They are put in before the first block given, replaced before every other one given, and flow
    on as the blocks leave them in between. They get no position. Pooling and dense streams never
    see their rows, only what attention took from them.

    In an image tower they stand behind class and register tokens. Where they stand changes nothing
    there, for every token sees every other and they have no position.

    Attributes:
        before: Block number, from 0 -> tokens: [K, W] for all, or one set each: [B, K, W] of an
            image tower, what broadcasts to [C, N, K, D] of a text tower.
        at: How many of a text's own tokens stand in front of them; None: the start token, where
            texts have one. Only in a text tower.
        until: Block before which they are taken out again; None: behind the last one.
        before_first_norm: Whether those of block 0 go through an image tower's first norm too.
        read: Whether an image tower returns their last states, in `ImageFeatures.extra`.
    """

    before: Mapping[int, Float[Tensor, "*each K W"]]
    at: int | None = None
    until: int | None = None
    before_first_norm: bool = False
    read: bool = False

    def __post_init__(self) -> None:
        """Refuse tokens that cannot replace each other."""
        counts = {tokens.shape[-2] for tokens in self.before.values()}
        if len(counts) != 1 or any(tokens.ndim < 2 for tokens in self.before.values()):
            shapes = {block: list(tokens.shape) for block, tokens in self.before.items()}
            raise ConfigError(
                f"extra tokens: expected as many before each block, [..., K, W], got {shapes}"
            )
        if self.until is not None and self.until <= max(self.before):
            raise ConfigError(
                f"extra tokens: expected until > {max(self.before)}, the last block they are put "
                f"in or replaced before, got {self.until}"
            )
        if self.read and self.until is not None:
            raise ConfigError(
                "extra tokens: read=True returns their last states, but until="
                f"{self.until} takes them out before that. Leave one of them out."
            )

    @property
    def count(self) -> int:
        """K, how many there are."""
        return next(iter(self.before.values())).shape[-2]


@dataclass(frozen=True)
class ReplacedTokens:
    """States of a tower's own tokens that are thrown away and replaced.

    Attributes:
        at: The first of them, counted among the tower's own tokens from 0.
        before: As that of `ExtraTokens`.
    """

    at: int
    before: Mapping[int, Float[Tensor, "*each K W"]]


@dataclass(frozen=True)
class TowerPoints:
    """What acts on a tower in one pass. Tensors and functions; it owns no parameter.

    `tower.matrices()` and `tower.norms()` say which names there are.

    Attributes:
        extra: Tokens beside the tower's own, each set under a name of the caller's.
        replaced: Own tokens that are replaced.
        updates: Name of a matrix, such as 'blocks.3.q' -> what is added to its product.
        residuals: 'blocks.3.attention', 'blocks.3.mlp' or 'blocks.3.block' (all of it) -> what
            stands beside it.
        weights: Name of a norm's or matrix's weight or bias, such as 'blocks.3.norm1.weight' ->
            what takes its place. Matrices are [out, in].
        checkpoint_blocks: Keep nothing of a block for the backward pass but what enters it, and
            compute the block once more there.
        owners: Name of a matrix -> whose its update is, for messages.
    """

    extra: Mapping[str, ExtraTokens] = field(default_factory=dict)
    replaced: Sequence[ReplacedTokens] = ()
    updates: Mapping[str, Update] = field(default_factory=dict)
    residuals: Mapping[str, Residual] = field(default_factory=dict)
    weights: Mapping[str, Tensor] = field(default_factory=dict)
    checkpoint_blocks: bool = False
    owners: Mapping[str, str] = field(default_factory=dict)

    @property
    def tokens(self) -> list[ExtraTokens | ReplacedTokens]:
        """All sets of tokens."""
        return [*self.extra.values(), *self.replaced]


def __getattr__(name: str) -> Any:
    return moved_name(__name__, name)
