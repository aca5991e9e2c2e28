"""Cross-entropy over class scores, and prompt dropout."""

from typing import Literal

import torch
from jaxtyping import Float, Int
from mmengine.dist import get_dist_info
from torch import Tensor, nn
from torch.nn import functional as F

LossKind = Literal["mean", "per_prompt"]


def class_loss(
    scores: Float[Tensor, "B C"] | Float[Tensor, "B C N"],
    labels: Int[Tensor, " B"],
    logit_scale: Float[Tensor, ""],
) -> Float[Tensor, ""]:
    """Cross-entropy of `logit_scale * scores`; with an axis of prompts, the mean over prompts."""
    if scores.ndim == 3:
        labels = labels[:, None].expand(-1, scores.shape[-1])
    return F.cross_entropy(logit_scale * scores.float(), labels)


class PromptDropout(nn.Module):
    """Averages a random part of the prompts in training, all of them otherwise.

    As published with GalLoP (Lafon et al. 2024) and used by SOT-GLP: each image keeps
    `max(N - int(p N), 1)` prompts, drawn with replacement, so one prompt may count twice.

    Args:
        p: Dropout rate in [0, 1); published 0.75.
    """

    def __init__(self, p: float = 0.75) -> None:
        super().__init__()
        if not 0 <= p < 1:
            raise ValueError(f"expected a prompt dropout rate in [0, 1), got {p}")
        self.p = p

    def forward(self, prompt_scores: Float[Tensor, "B C N"]) -> Float[Tensor, "B C"]:
        """Average scores over the prompts kept for each image."""
        if not self.training or self.p == 0:
            return prompt_scores.mean(-1)
        images, classes, prompts = prompt_scores.shape
        kept = max(prompts - int(self.p * prompts), 1)
        drawn = self._draw(prompts, images, kept, prompt_scores.device)
        return prompt_scores.gather(-1, drawn.expand(-1, classes, -1)).mean(-1)

    @staticmethod
    def _draw(prompts: int, images: int, kept: int, device: torch.device) -> Int[Tensor, "B 1 _"]:
        """Draw for all images of the step, and take those of this process: every R-th."""
        rank, processes = get_dist_info()
        drawn = torch.randint(prompts, (images * processes, 1, kept), device=device)
        return drawn[rank::processes]

    def extra_repr(self) -> str:
        """Show the rate in the printed module."""
        return f"p={self.p}"
