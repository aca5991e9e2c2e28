"""CLIP's two towers from plain calls of open_clip's modules, with places where something acts.

Texts are encoded with all their 77 tokens, nothing is kept from step to step, and whatever has a
gradient is one graph, as in the published code of the methods in `plain_tuned.py`.
"""

from collections.abc import Sequence
from typing import Any

import open_clip
import torch
from torch import Tensor, nn
from torch.nn import functional as F


class PlainTowers(nn.Module):
    """Both towers; a method overrides what differs.

    Args:
        clip: The model of open_clip; it is frozen.
        texts: A text for each class.
    """

    def __init__(self, clip: Any, texts: Sequence[str]) -> None:
        super().__init__()
        self.clip = clip.requires_grad_(False).eval()
        self.register_buffer("tokens", open_clip.tokenize(list(texts)))
        self.inserted = 0  # tokens that the ends of texts have moved by

    def embedded(self) -> Tensor:
        """Return what the texts start from, without positions: [C, 77, D]."""
        return self.clip.token_embedding(self.tokens)

    def enter_text(self, index: int, x: Tensor) -> Tensor:
        """Return what enters a block of the text tower."""
        return x

    def run_text(self, index: int, block: Any, x: Tensor, mask: Tensor) -> Tensor:
        """Run a block of the text tower."""
        return block(x, attn_mask=mask)

    def appended(self, x: Tensor) -> Tensor:
        """Return an image's tokens in front of the first norm."""
        return x

    def enter_image(self, index: int, x: Tensor) -> Tensor:
        """Return what enters a block of the image tower."""
        return x

    def run_image(self, index: int, block: Any, x: Tensor) -> Tensor:
        """Run a block of the image tower."""
        return block(x)

    def encode_text(self) -> Tensor:
        """Encode the texts: [C, E]."""
        clip, x = self.clip, self.embedded()
        x = x + clip.positional_embedding
        for index, block in enumerate(clip.transformer.resblocks):
            x = self.enter_text(index, x)
            x = self.run_text(index, block, x, causal(x))
        x = clip.ln_final(x)
        ends = self.tokens.argmax(-1) + self.inserted
        return x[torch.arange(len(x)), ends] @ clip.text_projection

    def image_tokens(self, images: Tensor) -> Tensor:
        """Run images through all blocks: [B, L, W]."""
        visual = self.clip.visual
        x = visual.conv1(images).flatten(2).transpose(1, 2)
        x = torch.cat([visual.class_embedding.expand(len(x), 1, -1), x], dim=1)
        x = visual.ln_pre(self.appended(x + visual.positional_embedding))
        for index, block in enumerate(visual.transformer.resblocks):
            x = self.run_image(index, block, self.enter_image(index, x))
        return x

    def encode_image(self, images: Tensor) -> Tensor:
        """Encode images: [B, E]."""
        return self.pooled(self.image_tokens(images))

    def pooled(self, x: Tensor) -> Tensor:
        """Read the class token."""
        return self.clip.visual.ln_post(x[:, 0]) @ self.clip.visual.proj

    def cross_entropy(self, image: Tensor, text: Tensor, labels: Tensor) -> Tensor:
        """Return that of the cosines."""
        return F.cross_entropy(self.logits(image, text), labels)

    def logits(self, image: Tensor, text: Tensor) -> Tensor:
        """Return cosines times the scale."""
        scale = self.clip.logit_scale.exp()
        return scale * F.normalize(image, dim=-1) @ F.normalize(text, dim=-1).T

    def loss(self, images: Tensor, labels: Tensor) -> Tensor:
        """Return the loss of a step."""
        return self.cross_entropy(self.encode_image(images), self.encode_text(), labels)

    @torch.no_grad()
    def frozen_text(self) -> Tensor:
        """Encode the texts with nothing acting."""
        return PlainTowers.encode_text(_Frozen(self))  # type: ignore[arg-type]

    @torch.no_grad()
    def frozen_image(self, images: Tensor) -> Tensor:
        """Encode images by open_clip's own call."""
        return self.clip.encode_image(images)


class _Frozen(PlainTowers):
    """The same towers with nothing acting."""

    def __init__(self, towers: PlainTowers) -> None:
        nn.Module.__init__(self)
        self.clip, self.tokens, self.inserted = towers.clip, towers.tokens, 0


def causal(x: Tensor) -> Tensor:
    """Return the mask of a causal tower."""
    return torch.full((x.shape[1], x.shape[1]), float("-inf")).triu(1)


def put(x: Tensor, at: int, tokens: Tensor, over: bool) -> Tensor:
    """Put tokens [K, W] or [M, K, W] in, over K others or in front of them."""
    tokens = tokens.expand(len(x), -1, -1)
    behind = at + (tokens.shape[1] if over else 0)
    return torch.cat([x[:, :at], tokens, x[:, behind:]], dim=1)
