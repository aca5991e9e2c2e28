"""Learned tokens before several blocks of a tower: deep prompts."""

from collections.abc import Mapping
from typing import Literal, final

import torch
from jaxtyping import Float
from torch import Tensor, nn

from plp.backbones.base import Backbone
from plp.checks import check_choice, check_integer, check_number
from plp.errors import ConfigError
from plp.prompts.base import Prompt
from plp.registry import TUNERS
from plp.towers.points import ExtraTokens, ReplacedTokens, TowerPoints
from plp.tuners._blocks import named_blocks
from plp.tuners.base import TextContext, Tuner
from plp.tuners.contexts import check_depth, context_length, start_length, token_width


@final
@TUNERS.register_module()
class DeepPrompts(Tuner):
    """Tokens of their own before each of the first blocks of the image tower, the text tower or
    both (Jia et al. 2022, Visual Prompt Tuning, section 3.2; Rasheed et al. 2023, IVLP).

    - Images: T_v tokens are put in before block 0 and replaced before each of the next D_v - 1.
      Behind these they flow on. They get no position.
    - Texts, `text_tokens='context'`: the context of the branches is the first layer; before each
      of the next D_t - 1 blocks the states of its T tokens are replaced.
    - Texts, `text_tokens='extra'`: T tokens of this tuner's own are put in behind the start token,
      in whatever text, and replaced likewise.

    A length or depth of 0 leaves a tower as it is.

    Args:
        image_length: T_v.
        image_depth: D_v, how many blocks get tokens; 1 is VPT-shallow.
        text_depth: D_t; with 'context' the first layer counts, so that 1 adds nothing.
        text_tokens: Which tokens of a text are learned, see above.
        text_length: T of 'extra'; that of 'context' is the length of the branches' context.
        first_block: The first block that gets image tokens, and extra text tokens.
        deeper: 'replace' throws away what became of the tokens before; 'add' keeps it, and puts
            the tokens of each block beside.
        before_first_norm: Whether image tokens of block 0 go through the tower's first norm, where
            it has one (MaPLe and its kin).
        std: Standard deviation of the normal distribution all tokens start from.
        backbone: Supplied when a learner is built, as `prompts`.

    Attributes:
        image_context: [D_v, T_v, W_v].
        text_context: [T, D] of 'extra': the first layer.
        deep_text_context: [D_t - 1, T, D]: the layers after the first.

    Raises:
        ConfigError: for a depth beyond the blocks of a tower, a tower that takes no tokens, or
            branches whose context cannot be replaced.
    """

    def __init__(
        self,
        image_length: int = 0,
        image_depth: int = 0,
        text_depth: int = 0,
        text_tokens: Literal["context", "extra"] = "context",
        text_length: int | None = None,
        first_block: int = 0,
        deeper: Literal["replace", "add"] = "replace",
        before_first_norm: bool = True,
        std: float = 0.02,
        *,
        backbone: Backbone,
        prompts: Mapping[str, Prompt],
    ) -> None:
        super().__init__()
        _check(image_length, text_length, text_tokens, deeper, std)
        self.first_block, self.deeper = first_block, deeper
        self.before_first_norm, self.text_tokens = before_first_norm, text_tokens
        self.image_context = self.text_context = self.deep_text_context = None
        if image_length and image_depth:
            check_depth(backbone, "image", image_depth, "image_depth", first_block)
            width = token_width(backbone, "image")
            self.image_context = _drawn(std, image_depth, image_length, width)
        elif image_depth < 0:
            check_depth(backbone, "image", image_depth, "image_depth")
        if text_tokens == "context" and text_depth:
            self._follow_context(text_depth, text_length, std, backbone, prompts)
        elif text_depth and text_length:
            check_depth(backbone, "text", text_depth, "text_depth", first_block)
            width = token_width(backbone, "text")
            self.text_context = _drawn(std, text_length, width)
            if text_depth > 1:
                self.deep_text_context = _drawn(std, text_depth - 1, text_length, width)
        self.acts_on_images = self.image_context is not None
        self.acts_on_texts = self.text_context is not None or self.deep_text_context is not None

    def _follow_context(
        self,
        depth: int,
        length: int | None,
        std: float,
        backbone: Backbone,
        prompts: Mapping[str, Prompt],
    ) -> None:
        """Make the layers after the branches' context."""
        check_depth(backbone, "text", depth, "text_depth")
        tokens = context_length(prompts)
        if length not in (None, tokens):
            raise ConfigError(
                f"text_length={length} with a context of {tokens} tokens: leave text_length out, "
                "and set the length of the context (num_tokens of the branch's prompt)"
            )
        if self.deeper == "add" and depth > 1:
            raise ConfigError(
                "deeper='add' keeps tokens that were put in, and those of a context are the text's "
                "own: use text_tokens='extra'"
            )
        self.at = start_length(backbone)
        if depth > 1:
            width = token_width(backbone, "text")
            self.deep_text_context = _drawn(std, depth - 1, tokens, width)

    def image_points(self) -> TowerPoints:
        """Return the image tokens."""
        if self.image_context is None:
            return TowerPoints()
        return self._extra(list(self.image_context), self.before_first_norm)

    def text_points(self, texts: TextContext) -> TowerPoints:
        """Return the text tokens, the same for all classes."""
        deep = [] if self.deep_text_context is None else list(self.deep_text_context)
        if self.text_context is not None:
            return self._extra([self.text_context, *deep])
        if not deep:
            return TowerPoints()
        return TowerPoints(replaced=[ReplacedTokens(self.at, dict(enumerate(deep, start=1)))])

    @property
    def places(self) -> dict[str, list[str]]:
        """Names of the blocks that get tokens of this tuner's own, by tower."""
        deep = 0 if self.deep_text_context is None else len(self.deep_text_context)
        image = 0 if self.image_context is None else len(self.image_context)
        text = range(1, 1 + deep)  # behind a context, the first layer
        if self.text_context is not None:
            text = range(self.first_block, self.first_block + 1 + deep)
        blocks = {"image": range(self.first_block, self.first_block + image), "text": text}
        return {side: named_blocks(numbers) for side, numbers in blocks.items() if numbers}

    def _extra(
        self, layers: list[Float[Tensor, "T W"]], before_first_norm: bool = False
    ) -> TowerPoints:
        blocks = dict(enumerate(layers, start=self.first_block))
        groups = [blocks] if self.deeper == "replace" else [{j: one} for j, one in blocks.items()]
        extra = {
            f"layer{min(group)}": ExtraTokens(group, before_first_norm=before_first_norm)
            for group in groups
        }
        return TowerPoints(extra=extra)

    def extra_repr(self) -> str:
        """Show shapes and places in the printed module."""
        shapes = {name: list(value.shape) for name, value in self.named_parameters()}
        told = [f"{name}={shape}" for name, shape in shapes.items()]
        return ", ".join([*told, f"first_block={self.first_block}", f"deeper={self.deeper!r}"])


def _drawn(std: float, *shape: int) -> nn.Parameter:
    return nn.Parameter(torch.randn(shape) * std)


def _check(
    image_length: int, text_length: int | None, text_tokens: str, deeper: str, std: float
) -> None:
    """Refuse numbers and words that mean nothing, before a tower is looked at."""
    for key, length in (("image_length", image_length), ("text_length", text_length or 0)):
        check_integer(key, length, least=0)
    check_choice("text_tokens", text_tokens, ("context", "extra"))
    check_choice("deeper", deeper, ("replace", "add"))
    check_number("std", std)
