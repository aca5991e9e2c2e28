"""Context of each class's own, made of what the frozen model says of the class (TCP)."""

from collections.abc import Mapping
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from plp.backbones.base import Backbone
from plp.checks import check_integer
from plp.errors import ConfigError
from plp.prompts.base import Prompt
from plp.registry import TUNERS
from plp.towers.points import ReplacedTokens, TowerPoints
from plp.tuners._blocks import block_tower, named_blocks
from plp.tuners.base import TextContext, Tuner
from plp.tuners.contexts import context_length, start_length


@final
@TUNERS.register_module()
class ClassAwareTokens(Tuner):
    """Replaces the first T tokens behind a text's start by tokens made of the class's frozen text.

    Yao et al. 2024, TCP: Textual-based Class-aware Prompt tuning, equations 5 to 7: the class's
    text of the frozen tower goes through two layers, E -> hidden -> T * D with QuickGELU between,
    and takes the place of the context before one block. New classes get theirs in the same way.

    Args:
        backbone: The frozen model; supplied when a learner is built, not kept.
        block: The block, from 0; published 8. None: nothing acts.
        num_tokens: T, how many tokens are replaced: those of the context, published 4.
        hidden: Width between the two layers; None for E / 4, as published.
        reference: The reference whose texts the tokens are made of. Of several templates the
            normalised mean counts.
        prompts: Prompts of the branches, supplied when a learner is built; their contexts are what
            is replaced.

    Attributes:
        meta_in_weight: The first layer, [hidden, E], with `meta_in_bias`; the second is
            `meta_out_weight` [T * D, hidden] with `meta_out_bias`. They start as torch's Linear.

    Raises:
        ConfigError: for a block that the text tower does not have, branches without a learned
            context in front of their class names, or contexts of another number of tokens.
    """

    acts_on_texts = True

    def __init__(
        self,
        backbone: Backbone,
        block: int | None = 8,
        num_tokens: int = 4,
        hidden: int | None = None,
        reference: str = "zero_shot",
        *,
        prompts: Mapping[str, Prompt],
    ) -> None:
        super().__init__()
        hidden = max(backbone.embed_dim // 4, 1) if hidden is None else hidden
        check_integer("num_tokens", num_tokens)
        check_integer("hidden", hidden)
        tower = block_tower(backbone, "text")
        count = len(tower.layers())
        if block is not None and block not in range(count):
            raise ConfigError(f"the text tower has blocks 0 to {count - 1}, got {block!r}")
        if (tokens := context_length(prompts)) != num_tokens:
            raise ConfigError(
                f"num_tokens={num_tokens} with a context of {tokens} tokens: these are what is "
                f"replaced. Take num_tokens={tokens}, or set the length of the context (num_tokens "
                "of the branch's prompt)"
            )
        self.block, self.num_tokens, self.reference = block, num_tokens, reference
        self.read_references = () if block is None else (reference,)
        self.acts_on_texts = block is not None
        self.at = start_length(backbone)  # the first token behind them
        first = nn.Linear(backbone.embed_dim, hidden)
        second = nn.Linear(hidden, num_tokens * tower.width)
        self.meta_in_weight, self.meta_in_bias = first.weight, first.bias
        self.meta_out_weight, self.meta_out_bias = second.weight, second.bias

    def text_points(self, texts: TextContext) -> TowerPoints:
        """Return the tokens of the classes asked for."""
        if self.block is None:
            return TowerPoints()
        frozen = texts.reference(self.reference)[texts.classes]
        tokens = self.tokens_of(frozen)[:, None]  # [c, 1, T, D], the same for all prompts
        return TowerPoints(replaced=[ReplacedTokens(self.at, {self.block: tokens})])

    @property
    def places(self) -> dict[str, list[str]]:
        """The name of the block."""
        return {} if self.block is None else {"text": named_blocks([self.block])}

    def tokens_of(self, texts: Float[Tensor, "C N E"]) -> Float[Tensor, "C T D"]:
        """Return the tokens of classes, from their frozen texts."""
        text = F.normalize(texts, dim=-1)
        if text.shape[1] > 1:
            text = F.normalize(text.mean(1, keepdim=True), dim=-1)
        hidden = F.linear(text[:, 0], self.meta_in_weight, self.meta_in_bias)
        hidden = hidden * torch.sigmoid(1.702 * hidden)  # QuickGELU
        tokens = F.linear(hidden, self.meta_out_weight, self.meta_out_bias)
        return tokens.unflatten(-1, (self.num_tokens, -1))

    def extra_repr(self) -> str:
        """Show block, number of tokens and source in the printed module."""
        hidden = len(self.meta_in_weight)
        return (
            f"block={self.block}, num_tokens={self.num_tokens}, hidden={hidden}, "
            f"reference={self.reference!r}"
        )
