"""The baselines of methods that act inside the towers, on `plain_towers.py`.

Learned tensors have the names and shapes of the published code's, a layer after the other along the
first axis. `tests/test_plain_tuned.py` holds losses and gradients against that code's outputs.
"""

from collections.abc import Mapping, Sequence
from math import sqrt
from typing import Any

import torch
from plain_towers import PlainTowers, put
from torch import Tensor, nn
from torch.nn import functional as F

Start = Mapping[str, Tensor]


class _Tuned(PlainTowers):
    """Towers with learned tensors that are given.

    Args:
        clip: The model of open_clip.
        texts: A text for each class.
        start: Learned tensors by name.
    """

    def __init__(self, clip: Any, texts: Sequence[str], start: Start) -> None:
        super().__init__(clip, texts)
        for name, value in start.items():
            self.register_parameter(name, nn.Parameter(value.detach().clone()))


class PlainDeepPrompts(_Tuned):
    """Text prompts over the first words, replaced before the blocks that have their own."""

    text_context: Tensor  # [T, D]
    deep_text_context: Tensor  # [depth - 1, T, D]

    def image_prompts(self) -> Tensor:
        """Return the image prompts of each layer, [depth, K, W]."""
        raise NotImplementedError

    def embedded(self) -> Tensor:
        """Put the first prompts in."""
        return put(super().embedded(), 1, self.text_context, over=True)

    def enter_text(self, index: int, x: Tensor) -> Tensor:
        """Replace the prompts."""
        if 1 <= index <= len(self.deep_text_context):
            return put(x, 1, self.deep_text_context[index - 1], over=True)
        return x

    def appended(self, x: Tensor) -> Tensor:
        """Append the first image prompts."""
        self._prompts = self.image_prompts()
        return put(x, x.shape[1], self._prompts[0], over=False)

    def enter_image(self, index: int, x: Tensor) -> Tensor:
        """Replace the last tokens."""
        if 1 <= index < len(self._prompts):
            tokens = self._prompts[index]
            return put(x, x.shape[1] - len(tokens), tokens, over=True)
        return x


class PlainMaPLe(PlainDeepPrompts):
    """MaPLe: image prompts are functions of the text prompts."""

    couple_weight: Tensor  # [depth, W, D]
    couple_bias: Tensor  # [depth, W]

    def image_prompts(self) -> Tensor:
        """Couple."""
        prompts = torch.cat([self.text_context[None], self.deep_text_context])
        return prompts @ self.couple_weight.transpose(1, 2) + self.couple_bias[:, None]


class PlainPromptSRC(PlainDeepPrompts):
    """PromptSRC: prompts of both towers, held near the frozen ones.

    Args:
        clip: The model of open_clip.
        texts: A text for each class.
        start: Learned tensors by name.
        teacher: Text features of the frozen tower, [C, E], as the published code computes them once
            in front of the training.
    """

    image_context: Tensor  # [depth, K, W]
    text_weight, image_weight = 25.0, 10.0

    def __init__(self, clip: Any, texts: Sequence[str], start: Start, teacher: Tensor) -> None:
        super().__init__(clip, texts, start)
        self.register_buffer("teacher", F.normalize(teacher, dim=-1))

    def image_prompts(self) -> Tensor:
        """Return them as they are."""
        return self.image_context

    def loss(self, images: Tensor, labels: Tensor) -> Tensor:
        """Add both distances and the divergence."""
        seen = F.normalize(self.frozen_image(images), dim=-1)
        image, text = self.encode_image(images), self.encode_text()
        logits = self.logits(image, text)
        expected = self.logits(seen, self.teacher).log_softmax(-1)
        return (
            F.cross_entropy(logits, labels)
            + self.text_weight * F.l1_loss(F.normalize(text, dim=-1), self.teacher)
            + self.image_weight * F.l1_loss(F.normalize(image, dim=-1), seen)
            + F.kl_div(logits.log_softmax(-1), expected, reduction="sum", log_target=True)
            / logits.numel()
        )


class PlainCLIPLoRA(_Tuned):
    """CLIP-LoRA: updates of q, k and v in every block; no dropout.

    Learned are `text_A` [layers, 3, r, D], `text_B` [layers, 3, D, r], and those of images.
    """

    alpha = 1.0

    def run_text(self, index: int, block: Any, x: Tensor, mask: Tensor) -> Tensor:
        """Run a block with updates."""
        return self._run(block, x, self.text_A[index], self.text_B[index], mask)

    def run_image(self, index: int, block: Any, x: Tensor) -> Tensor:
        """Run a block with updates."""
        return self._run(block, x, self.image_A[index], self.image_B[index])

    def _run(self, block: Any, x: Tensor, a: Tensor, b: Tensor, mask: Any = None) -> Tensor:
        attention, scale = block.attn, self.alpha / sqrt(a.shape[1])
        normed = block.ln_1(x)
        packed = F.linear(normed, attention.in_proj_weight, attention.in_proj_bias).chunk(3, -1)
        heads = [
            (part + F.linear(F.linear(normed, a[m]), b[m]) * scale)
            .unflatten(-1, (attention.num_heads, -1))
            .transpose(1, 2)
            for m, part in enumerate(packed)
        ]
        mixed = F.scaled_dot_product_attention(*heads, attn_mask=mask)
        x = x + attention.out_proj(mixed.transpose(1, 2).flatten(2))
        return x + block.mlp(block.ln_2(x))


class _Scaled(torch.autograd.Function):
    """The identity, whose gradient is multiplied."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, factor: float) -> Tensor:
        ctx.factor = factor
        return x.view_as(x)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        return grads[0] * ctx.factor, None


class PlainMMA(_Tuned):
    """MMA: adapters beside the upper blocks, joined by a matrix that the towers share.

    Args:
        clip: The model of open_clip.
        texts: A text for each class.
        start: Learned tensors by name.
        first: The first adapted block, from 0.
        scale: Of what the adapters add; parameters get the gradient divided by it.
    """

    def __init__(
        self, clip: Any, texts: Sequence[str], start: Start, first: int, scale: float = 0.001
    ) -> None:
        super().__init__(clip, texts, start)
        self.first, self.scale = first, scale

    def run_text(self, index: int, block: Any, x: Tensor, mask: Tensor) -> Tensor:
        """Add the adapter's output."""
        return self._added("text", index, block, x, block(x, attn_mask=mask))

    def run_image(self, index: int, block: Any, x: Tensor) -> Tensor:
        """Add the adapter's output."""
        return self._added("image", index, block, x, block(x))

    def _added(self, side: str, index: int, block: Any, x: Tensor, out: Tensor) -> Tensor:
        if index < self.first:
            return out
        y = _Scaled.apply(block.ln_1(x), self.scale)
        for part, name in enumerate((f"{side}_down", "shared", f"{side}_up")):
            weight, bias = (
                getattr(self, f"{name}_{kind}")[index - self.first] for kind in ("weight", "bias")
            )
            y = F.linear(y if part == 0 else y.relu(), weight, bias)
        return out + self.scale * _Scaled.apply(y, 1 / self.scale)


class PlainMMRL(_Tuned):
    """MMRL: tokens of one learned space in both towers.

    Args:
        clip: The model of open_clip.
        texts: A text for each class.
        start: Learned tensors by name.
        first: The first block with tokens, from 0.
        alpha: Weight of the class token's line.
        reg: Weight of both teachers.
    """

    tokens_: Tensor

    def __init__(
        self,
        clip: Any,
        texts: Sequence[str],
        start: Start,
        first: int,
        alpha: float = 0.7,
        reg: float = 0.5,
    ) -> None:
        super().__init__(clip, texts, {f"{name}_": value for name, value in start.items()})
        self.first, self.alpha, self.reg = first, alpha, reg
        self.register_buffer("teacher", F.normalize(self.frozen_text(), dim=-1))
        self.inserted = len(self.tokens_)

    def enter_text(self, index: int, x: Tensor) -> Tensor:
        """Put tokens behind the start, or replace them."""
        return self._entered("text", index, x)

    def enter_image(self, index: int, x: Tensor) -> Tensor:
        """Put tokens behind the class token, or replace them."""
        return self._entered("image", index, x)

    def loss(self, images: Tensor, labels: Tensor) -> Tensor:
        """Return both cross-entropies and both distances, weighted."""
        x, text = self.image_tokens(images), self.encode_text()
        count = len(self.tokens_)
        states = self.clip.visual.ln_post(x[:, 1 : 1 + count])
        joint = states.mean(1) @ self.token_projection_
        image, seen = self.pooled(x), self.frozen_image(images)
        return (
            self.alpha * self.cross_entropy(image, text, labels)
            + (1 - self.alpha) * self.cross_entropy(joint, text, labels)
            + self.reg * (1 - F.cosine_similarity(image, seen).mean())
            + self.reg * (1 - F.cosine_similarity(text, self.teacher).mean())
        )

    def _entered(self, side: str, index: int, x: Tensor) -> Tensor:
        if index < self.first:
            return x
        weight, bias = (
            getattr(self, f"to_{side}_{kind}_")[index - self.first] for kind in ("weight", "bias")
        )
        return put(x, 1, F.linear(self.tokens_, weight, bias), over=index > self.first)
