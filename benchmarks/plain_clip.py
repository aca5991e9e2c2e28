"""The baseline of CLIP's ViT-B/16: SOT-GLP's step from plain open_clip calls.

Every text is encoded with all its 77 tokens; the vision tower runs once for the pooled feature and
once more for the V-V stream.
"""

from typing import Any

import open_clip
import torch
from plain_sotglp import PlainSotGlp
from torch import Tensor
from torch.nn import functional as F


class PlainCLIP(PlainSotGlp):
    """The baseline of `configs/sotglp/vitb16_16shot.py`.

    Args:
        learner: Whose contexts it starts from; the model is built anew, by open_clip alone.
        names: Class names.
    """

    def __init__(self, learner: Any, names: list[str]) -> None:
        torch.manual_seed(0)
        clip = open_clip.create_model("ViT-B-16", pretrained=None, force_quick_gelu=True)
        clip.logit_scale.data.fill_(torch.tensor(1 / 0.07).log())
        super().__init__(clip, learner, width=768)
        tokens = open_clip.tokenize(["X X X X " + name.replace("_", " ") for name in names])
        self.register_buffer("tokens", tokens)  # which moves with the model

    def encode_texts(self, context: Tensor) -> Tensor:
        """Encode prompts [C, N, 4, D] as texts of 77 tokens; return [C, N, E]."""
        classes, prompts = context.shape[:2]
        embedded = self.clip.token_embedding(self.tokens)[:, None].expand(-1, prompts, -1, -1)
        x = torch.cat([embedded[:, :, :1], context, embedded[:, :, 5:]], dim=2).flatten(0, 1)
        x = x + self.clip.positional_embedding
        x = self.clip.transformer(x, attn_mask=self.clip.attn_mask)
        x = self.clip.ln_final(x)
        ends = self.tokens.argmax(-1).repeat_interleave(prompts)
        return (x[torch.arange(len(x)), ends] @ self.clip.text_projection).view(
            classes, prompts, -1
        )

    @torch.no_grad()
    def encode_pooled(self, images: Tensor) -> Tensor:
        """Encode images with open_clip's own pass."""
        return self.clip.encode_image(images)

    @torch.no_grad()
    def encode_dense(self, images: Tensor) -> Tensor:
        """Run the tower again for the V-V stream (with the first block's attention added)."""
        visual = self.clip.visual
        x = visual.conv1(images).flatten(2).transpose(1, 2)
        x = torch.cat([visual.class_embedding.expand(len(x), 1, -1), x], dim=1)
        x = visual.ln_pre(x + visual.positional_embedding)
        stream = x
        for index, block in enumerate(visual.transformer.resblocks):
            attention, normed = block.attn, block.ln_1(x)
            value = F.linear(normed, attention.in_proj_weight, attention.in_proj_bias).chunk(3, -1)
            heads = value[2].unflatten(-1, (attention.num_heads, -1)).transpose(1, 2)
            weights = (heads @ heads.transpose(-1, -2) * heads.shape[-1] ** -0.5).softmax(-1)
            stream = stream + attention.out_proj((weights @ heads).transpose(1, 2).flatten(2))
            if index == 0:
                stream = stream + attention(normed, normed, normed, need_weights=False)[0]
            x = block(x)
        return visual.ln_post(stream[:, 1:])

    def to_joint(self, patches: Tensor) -> Tensor:
        """Apply the projection of the pooled feature."""
        return patches @ self.clip.visual.proj
