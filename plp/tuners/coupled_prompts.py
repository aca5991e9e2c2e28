"""Image tokens that are functions of the text tokens of the same layer (MaPLe)."""

from collections.abc import Mapping
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from plp.backbones.base import Backbone
from plp.checks import check_integer, check_number
from plp.errors import ConfigError
from plp.prompts.base import Prompt
from plp.prompts.context import ContextPrompt, SharedContext
from plp.registry import TUNERS
from plp.towers.points import ExtraTokens, ReplacedTokens, TowerPoints
from plp.tuners.base import TextContext, Tuner
from plp.tuners.contexts import check_depth, context_of, start_length, token_width


@final
@TUNERS.register_module()
class CoupledPrompts(Tuner):
    """Text tokens P_i before each of the first D blocks, and image tokens V_i = W_i P_i + b_i
    before the same blocks (Khattak et al. 2023, MaPLe, section 3.2).

    P_0 is the context of a branch: learned there, read here. P_1, ... replace the states of its
    tokens. V_0 is put in before block 0 and the image tower's first norm, V_1, ... replace what
    became of it. Behind block D - 1 the tokens of both towers flow on.

    Args:
        depth: D; 0 leaves both towers as they are, 1 couples the context alone.
        branch: The branch whose context is P_0; one `SharedContext` of one prompt.
        std: Standard deviation of the normal distribution that P_1, ... start from.
        backbone: Supplied when a learner is built, as `prompts`.

    Attributes:
        deep_text_context: P_1, ..., [D - 1, T, W_t].
        couple_weight: W_0, ..., [D, W_v, W_t], as torch's Linear starts; all but the first start as
            copies of one, as in the published code.
        couple_bias: b_0, ..., [D, W_v], likewise.

    Raises:
        ConfigError: for a depth beyond the blocks of either tower, a tower that takes no tokens, or
            a branch with another prompt.
    """

    def __init__(
        self,
        depth: int = 9,
        branch: str = "global",
        std: float = 0.02,
        *,
        backbone: Backbone,
        prompts: Mapping[str, Prompt],
    ) -> None:
        super().__init__()
        check_integer("depth", depth, least=0)
        check_number("std", std)
        self.branch = branch
        self.acts_on_images = depth > 0
        self.acts_on_texts = depth > 1
        for side in ("image", "text"):
            check_depth(backbone, side, depth, "depth")
        context = _one_context(prompts, branch)
        # Past nn.Module, which would register the branch's parameters a second time.
        object.__setattr__(self, "_prompt", context)
        self.at = start_length(backbone)
        tokens, texts = context.context.shape[-2:]
        images = token_width(backbone, "image")
        self.deep_text_context = self.couple_weight = self.couple_bias = None
        if depth > 1:
            self.deep_text_context = nn.Parameter(torch.randn(depth - 1, tokens, texts) * std)
        if depth:
            layers = [nn.Linear(texts, images) for _ in range(min(depth, 2))]
            layers += layers[1:] * (depth - len(layers))
            self.couple_weight = nn.Parameter(torch.stack([one.weight for one in layers]).detach())
            self.couple_bias = nn.Parameter(torch.stack([one.bias for one in layers]).detach())

    def image_points(self) -> TowerPoints:
        """Return the image tokens, made of the text tokens."""
        if self.couple_weight is None or self.couple_bias is None:
            return TowerPoints()
        texts = [self._first(), *self._deep()]
        tokens = {
            block: F.linear(text, weight, bias)
            for block, (text, weight, bias) in enumerate(
                zip(texts, self.couple_weight, self.couple_bias, strict=True)
            )
        }
        return TowerPoints(extra={"coupled": ExtraTokens(tokens, before_first_norm=True)})

    def text_points(self, texts: TextContext) -> TowerPoints:
        """Return the text tokens behind the first layer."""
        deep = self._deep()
        if not deep:
            return TowerPoints()
        return TowerPoints(replaced=[ReplacedTokens(self.at, dict(enumerate(deep, start=1)))])

    def _first(self) -> Float[Tensor, "T W"]:
        prompt: ContextPrompt = self._prompt  # type: ignore[assignment]
        return prompt.context[0]

    def _deep(self) -> list[Float[Tensor, "T W"]]:
        return [] if self.deep_text_context is None else list(self.deep_text_context)

    def extra_repr(self) -> str:
        """Show depth and branch in the printed module."""
        depth = 0 if self.couple_weight is None else len(self.couple_weight)
        return f"depth={depth}, branch={self.branch!r}"


def _one_context(prompts: Mapping[str, Prompt], branch: str) -> SharedContext:
    """Return the context that image tokens are made of: one for all classes.

    Raises:
        ConfigError: for other contexts, or a second branch whose texts would be changed too.
    """
    context = context_of(prompts, branch)
    if not isinstance(context, SharedContext) or context.num_prompts != 1:
        raise ConfigError(
            "expected one context for all classes (SharedContext, num_prompts=1), for the image "
            f"tokens are made of it; branch {branch!r} has {type(context).__name__} of "
            f"{context.num_prompts} prompts"
        )
    others = [name for name, prompt in prompts.items() if prompt.source is not context]
    if others:
        raise ConfigError(
            f"branch {', '.join(others)} has a prompt beside the coupled one of {branch!r}, and "
            "one text tower serves both: let it borrow that (BorrowedPrompt)"
        )
    return context
