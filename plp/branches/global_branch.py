"""The image embedding against the prompts."""

from collections.abc import Mapping
from typing import Any, final

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F

from plp.branches.base import Branch, ProjectDense
from plp.branches.losses import LossKind, PromptDropout, class_loss
from plp.prompts.base import Prompt
from plp.registry import BRANCHES, PROMPTS
from plp.structures import Evidence, ImageFeatures


@final
@BRANCHES.register_module()
class GlobalBranch(Branch):
    """Cosine of the pooled image feature with each prompt, averaged over prompts.

    Args:
        prompt: The prompt, or its config.
        dropout: Prompt dropout rate in training (see `PromptDropout`).
        loss: 'mean' trains the mean over (kept) prompts, as SOT-GLP, GalLoP and CoOp do;
            'per_prompt' lets each prompt answer for itself.
        inputs: What the learner supplies for building the prompt.
    """

    def __init__(
        self,
        prompt: Prompt | Mapping[str, Any],
        dropout: float = 0.0,
        loss: LossKind = "mean",
        inputs: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__()
        if loss not in ("mean", "per_prompt"):
            raise ValueError(f"expected loss 'mean' or 'per_prompt', got {loss!r}")
        if loss == "per_prompt" and dropout:
            raise ValueError("prompt dropout averages prompts, so it goes with loss='mean' only")
        self.prompt = PROMPTS.build_if_config(prompt, **inputs or {})
        self.dropout = PromptDropout(dropout)
        self.loss_kind = loss

    def forward(
        self,
        features: ImageFeatures,
        text: Float[Tensor, "C N E"],
        project_dense: ProjectDense,
        patch_scores: bool = False,
    ) -> Evidence:
        """Score every class for every image; there are no patches here."""
        with torch.autocast(features.pooled.device.type, enabled=False):
            pooled = F.normalize(features.pooled.float(), dim=-1)
            cosines = torch.einsum("be,cne->bcn", pooled, text.float())
        return Evidence(cosines.mean(-1), cosines, cosines)

    def loss(
        self, evidence: Evidence, labels: Int[Tensor, " B"], logit_scale: Float[Tensor, ""]
    ) -> Float[Tensor, ""]:
        """Cross-entropy of the mean over the kept prompts, or of each prompt."""
        per_prompt = self.loss_kind == "per_prompt"
        scores = evidence.prompt_scores if per_prompt else self.dropout(evidence.prompt_scores)
        return class_loss(scores, labels, logit_scale)
