"""Context that is moved by the image it is compared with (CoCoOp)."""

from collections.abc import Sequence
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor, nn

from plp.prompts.assembly import assemble
from plp.prompts.base import EmbedWords, Prompt
from plp.prompts.context import SharedContext
from plp.prompts.names_in_text import in_text
from plp.registry import PROMPTS
from plp.structures import NameTokens, PromptTokens


@final
@PROMPTS.register_module()
class ImageContext(Prompt):
    """Shared context plus a bias that a small network computes from the image.

    Token t of the context of image x is `v_t + h(x)`, with `h` = Linear(E, E / 16), ReLU,
    Linear(E / 16, D): one bias an image, added to every token (Zhou et al. 2022, Conditional prompt
    learning, section 3.2). Every image has texts of its own, so that a batch of B images encodes
    B times C texts.

    Args:
        num_prompts: N.
        words: Text the context starts as; see `ContextPrompt`.
        num_tokens: T, for a context that starts at random.
        std: Standard deviation of that start.
        reduction: Width of the joint space over that of the hidden layer; published 16.
        suffix: Fixed text that follows the name directly; the published code has a full stop.
        embed_words: Looks token embeddings up; supplied when a learner is built, as the following.
        num_classes: C.
        token_dim: D.
        embed_dim: E.

    Shape:
        `forward` takes pooled features [B, E] of length one and returns prompts of B * C classes.
    """

    sees_images = True

    suffix_embeddings: Tensor | None  # [Ts, D]; a buffer

    def __init__(
        self,
        num_prompts: int = 1,
        *,
        embed_words: EmbedWords,
        num_classes: int,
        token_dim: int,
        embed_dim: int,
        words: str | Sequence[str] | None = None,
        num_tokens: int | None = None,
        std: float | None = None,
        reduction: int = 16,
        suffix: str = "",
    ) -> None:
        super().__init__()
        if not 1 <= reduction <= embed_dim:
            raise ValueError(f"expected a reduction from 1 to {embed_dim}, got {reduction}")
        if words is not None and num_tokens is not None:
            raise ValueError(
                "expected either words= or num_tokens=, got words="
                f"{words!r} and num_tokens={num_tokens!r}"
            )
        shared = SharedContext(
            num_prompts, embed_words=embed_words, num_classes=num_classes, token_dim=token_dim,
            words=words, num_tokens=num_tokens, std=std, suffix=suffix,
        )  # fmt: skip
        self.num_prompts = num_prompts
        self.start_text = shared.start_text
        self._texts = shared.describe()
        self.context = shared.context  # [N, T, D]
        self.suffix = suffix
        self.register_buffer("suffix_embeddings", shared.suffix_embeddings, persistent=False)
        hidden = embed_dim // reduction
        self.meta = nn.Sequential(
            nn.Linear(embed_dim, hidden), nn.ReLU(), nn.Linear(hidden, token_dim)
        )

    def forward(self, names: NameTokens, *pooled: Float[Tensor, "B E"]) -> PromptTokens:
        """Assemble the prompts of every image with every class, image by image."""
        (image,) = pooled
        with torch.autocast(image.device.type, enabled=False):
            bias = self.meta(image.to(self.context.dtype))  # [B, D]
        images, classes = len(image), len(names.lengths)
        context = self.context + bias[:, None, None]  # [B, N, T, D]
        whole = in_text(names, ("", None), (self.suffix, self.suffix_embeddings), behind=True)
        repeated = whole._replace(
            embeddings=whole.embeddings.repeat(images, 1, 1), lengths=whole.lengths.repeat(images)
        )
        return assemble(repeated, context.repeat_interleave(classes, dim=0))

    def describe(self) -> list[str]:
        """Return each prompt as text, before the image moves it."""
        return list(self._texts)
