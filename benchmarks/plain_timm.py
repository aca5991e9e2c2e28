"""The baselines of Perception Encoder and SigLIP: SOT-GLP's step from plain open_clip calls.

Every text is filled up to the context length, 32 tokens of the former, 64 of the latter; the timm
tower runs once for the pooled feature and once more for the V-V stream; a patch goes into the joint
space through the attention pool, as a sequence of one.
"""

from collections.abc import Callable
from typing import Any

import torch
from open_clip.transformer import text_global_pool
from plain_sotglp import PlainSotGlp
from torch import Tensor, nn


class PlainTimm(PlainSotGlp):
    """The baseline of a model with a timm tower that pools by attention.

    Args:
        learner: Whose model and contexts it takes.
        names: Class names.
        tokenize: open_clip's tokenizer, which fills texts up to the context length.
    """

    def __init__(
        self, learner: Any, names: list[str], tokenize: Callable[[list[str]], Tensor]
    ) -> None:
        model = learner.backbone.model
        super().__init__(model, learner, width=model.visual.trunk.embed_dim)
        self.names = names
        self.tokenize = tokenize

    def encode_texts(self, context: Tensor) -> Tensor:
        """Encode prompts at the full context length, every place of them."""
        text, (classes, prompts, learned) = self.clip.text, context.shape[:3]
        blanks = " ".join(["x"] * learned)  # one token each
        tokens = self.tokenize([f"{blanks} {name}" for name in self.names]).to(context.device)
        first = int(tokens[0, 0] != tokens[0, 1])  # behind a start token, where there is one
        embedded = text.token_embedding(tokens)[:, None].expand(-1, prompts, -1, -1)
        before, after = embedded[:, :, :first], embedded[:, :, first + learned :]
        x = torch.cat([before, context, after], dim=2).flatten(0, 1) + text.positional_embedding
        x = text.ln_final(text.transformer(x, attn_mask=text.attn_mask))
        pooled = text_global_pool(x, tokens.repeat_interleave(prompts, 0), text.pool_type)
        projection = text.text_projection
        found = projection(pooled) if isinstance(projection, nn.Linear) else pooled @ projection
        return found.view(classes, prompts, -1)

    @torch.no_grad()
    def encode_pooled(self, images: Tensor) -> Tensor:
        """Encode images with open_clip's own pass."""
        return self.clip.encode_image(images)

    @torch.no_grad()
    def encode_dense(self, images: Tensor) -> Tensor:
        """Run the tower again for the V-V stream (with the first block's attention added)."""
        trunk = self.clip.visual.trunk
        embedded, given = trunk._pos_embed(trunk.patch_embed(images)), {}
        if isinstance(embedded, tuple):  # EVA's towers, Perception Encoder among them, rotate
            embedded, given["rope"] = embedded
        x = stream = trunk.norm_pre(embedded)
        for index, block in enumerate(trunk.blocks):
            attention, normed, scale = block.attn, block.norm1(x), getattr(block, "ls1", _same)
            value = attention.qkv(normed).chunk(3, -1)[2]
            heads = value.unflatten(-1, (attention.num_heads, -1)).transpose(1, 2)
            weights = (heads @ heads.transpose(-1, -2) * heads.shape[-1] ** -0.5).softmax(-1)
            stream = stream + scale(attention.proj((weights @ heads).transpose(1, 2).flatten(2)))
            if index == 0:
                stream = stream + scale(attention(normed, **given))
            x = block(x, **given)
        return trunk.norm(stream)[:, trunk.num_prefix_tokens :]

    def to_joint(self, patches: Tensor) -> Tensor:
        """Pool each patch alone."""
        trunk = self.clip.visual.trunk
        pooled = trunk.attn_pool(patches.flatten(0, 1)[:, None])
        joint = self.clip.visual.head(trunk.head(trunk.fc_norm(pooled)))
        return joint.unflatten(0, patches.shape[:2])


def _same(x: Tensor) -> Tensor:
    return x
