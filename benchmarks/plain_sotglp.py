"""The baseline: SOT-GLP's step as one writes it at first, from plain calls of a library.

Texts are encoded at their full length, the vision tower runs once for the pooled feature and once
more for the V-V stream, similarities are held whole, and transport is a loop of log-sum-exps. The
mathematics, and with the same weights the losses, are those of plp's learner (without prompt
dropout, which is drawn).
"""

from abc import ABC, abstractmethod
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

EPSILON, KEPT, ITERATIONS, TOLERANCE = 0.1, 10, 100, 1e-6


class PlainSotGlp(nn.Module, ABC):
    """Global prompts shared by the classes, local ones of each class.

    Args:
        clip: The model of open_clip; it is frozen.
        learner: plp's, whose contexts it starts from.
        width: Of the dense stream.
    """

    def __init__(self, clip: Any, learner: Any, width: int) -> None:
        super().__init__()
        self.clip = clip.requires_grad_(False).eval()
        shared, own = (learner.branches[name].prompt.context for name in ("global", "local"))
        self.global_context = nn.Parameter(shared.detach().clone())  # [3, T, D]
        self.local_context = nn.Parameter(own.detach().clone())  # [C, 4, 4, D]
        self.local_projection = nn.Linear(width, width, bias=False)
        nn.init.eye_(self.local_projection.weight)

    @abstractmethod
    def encode_texts(self, context: Tensor) -> Tensor:
        """Encode prompts [C, N, T, D] at the full length; return [C, N, E]."""

    @abstractmethod
    def encode_pooled(self, images: Tensor) -> Tensor:
        """Encode images with open_clip's own pass."""

    @abstractmethod
    def encode_dense(self, images: Tensor) -> Tensor:
        """Run the tower again for the V-V stream (with the first block's attention added)."""

    @abstractmethod
    def to_joint(self, patches: Tensor) -> Tensor:
        """Send patches the way of the pooled feature."""

    def losses(self, pooled: Tensor, dense: Tensor, labels: Tensor, texts: list[Tensor]) -> Tensor:
        """Return both cross-entropies, summed."""
        scale = self.clip.logit_scale.exp()
        wide, narrow = (F.normalize(text, dim=-1) for text in texts)
        cosines = torch.einsum("be,cne->bcn", F.normalize(pooled, dim=-1), wide)
        loss = F.cross_entropy(scale * cosines.mean(-1), labels)
        patches = F.normalize(self.to_joint(self.local_projection(dense)), dim=-1)
        cosines = torch.einsum("bpe,cne->bpcn", patches, narrow)
        best = cosines.mean(-1).topk(KEPT, dim=1).indices  # [B, K, C]
        kept = cosines.gather(1, best[..., None].expand(-1, -1, -1, cosines.shape[-1]))
        similarity = kept.transpose(1, 2)  # [B, C, K, N]
        scores = (transport(similarity.detach()) * similarity).sum(dim=(2, 3))
        return loss + F.cross_entropy(scale * scores / similarity.shape[-1], labels)

    def contexts(self) -> list[Tensor]:
        """Return global and local context, each [C, N, T, D]."""
        classes = len(self.local_context)
        return [self.global_context.expand(classes, -1, -1, -1), self.local_context]


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
