"""The baseline: SOT-GLP's step as one writes it at first, from plain open_clip calls.

Every text is encoded with all its 77 tokens; the vision tower runs once for the pooled feature and
once more for the V-V stream; similarities are held whole; transport is a loop of log-sum-exps. The
mathematics, and with the same weights the losses, are those of `configs/sotglp/vitb16_16shot.py`
(without prompt dropout, which is drawn).
"""

import open_clip
import torch
from torch import Tensor, nn
from torch.nn import functional as F

EPSILON, KEPT, ITERATIONS, TOLERANCE = 0.1, 10, 100, 1e-6


class PlainSotGlp(nn.Module):
    """Global prompts shared by the classes, local ones of each class, four tokens each.

    Args:
        names: Class names.
        global_context: Learned tokens [3, 4, D].
        local_context: Learned tokens [C, 4, 4, D].
    """

    def __init__(self, names: list[str], global_context: Tensor, local_context: Tensor) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.clip = open_clip.create_model("ViT-B-16", pretrained=None, force_quick_gelu=True)
        self.clip.requires_grad_(False).eval()
        self.clip.logit_scale.data.fill_(torch.tensor(1 / 0.07).log())
        tokens = open_clip.tokenize(["X X X X " + name.replace("_", " ") for name in names])
        self.register_buffer("tokens", tokens)  # which moves with the model
        self.global_context = nn.Parameter(global_context.detach().clone())
        self.local_context = nn.Parameter(local_context.detach().clone())
        self.local_projection = nn.Linear(768, 768, bias=False)
        nn.init.eye_(self.local_projection.weight)

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

    def losses(self, pooled: Tensor, dense: Tensor, labels: Tensor, texts: list[Tensor]) -> Tensor:
        """Return both cross-entropies, summed."""
        scale = self.clip.logit_scale.exp()
        wide, narrow = (F.normalize(text, dim=-1) for text in texts)
        cosines = torch.einsum("be,cne->bcn", F.normalize(pooled, dim=-1), wide)
        loss = F.cross_entropy(scale * cosines.mean(-1), labels)
        patches = F.normalize(self.local_projection(dense) @ self.clip.visual.proj, dim=-1)
        cosines = torch.einsum("bpe,cne->bpcn", patches, narrow)
        best = cosines.mean(-1).topk(KEPT, dim=1).indices  # [B, K, C]
        kept = cosines.gather(1, best[..., None].expand(-1, -1, -1, cosines.shape[-1]))
        similarity = kept.transpose(1, 2)  # [B, C, K, N]
        scores = (transport(similarity.detach()) * similarity).sum(dim=(2, 3))
        return loss + F.cross_entropy(scale * scores / similarity.shape[-1], labels)

    def contexts(self) -> list[Tensor]:
        """Return global and local context, each [C, N, 4, D]."""
        return [self.global_context.expand(len(self.tokens), -1, -1, -1), self.local_context]


def transport(similarity: Tensor) -> Tensor:
    """Balanced entropic plans between uniform marginals, for all problems until all agree."""
    kernel = similarity / EPSILON
    rows, columns = (-torch.tensor(float(n)).log() for n in similarity.shape[-2:])
    v = torch.zeros_like(similarity[..., 0, :])
    for _ in range(ITERATIONS):
        u = rows - (kernel + v[..., None, :]).logsumexp(-1)
        v = columns - (kernel + u[..., None]).logsumexp(-2)
        plan = (kernel + u[..., None] + v[..., None, :]).exp()
        if (plan.sum(-1) - rows.exp()).abs().sum(-1).max() < TOLERANCE:
            break
    return plan
