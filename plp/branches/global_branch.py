"""The image embedding against the prompts."""

from collections.abc import Mapping
from typing import Any, Literal, final

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F

from plp.branches.base import Branch, ProjectDense
from plp.branches.losses import LossKind, PromptDropout, class_loss
from plp.projections.base import Projection
from plp.prompts.base import Prompt
from plp.registry import BRANCHES, PROJECTIONS, PROMPTS
from plp.structures import Evidence, ImageFeatures

Ensemble = Literal["scores", "texts", "raw_texts"]


@final
@BRANCHES.register_module()
class GlobalBranch(Branch):
    """Cosine of the pooled image feature with each prompt, averaged over prompts.

    Args:
        prompt: The prompt, or its config.
        dropout: Prompt dropout rate in training (see `PromptDropout`).
        loss: 'mean' trains the mean over (kept) prompts, as SOT-GLP, GalLoP and CoOp do;
            'per_prompt' lets each prompt answer for itself.
        ensemble: 'scores' averages the cosines of a class's prompts; 'texts' averages its texts,
            normalises the mean to length one and compares images with that, as CLIP does with its
            80 templates; 'raw_texts' averages them as the text tower yields them, longer ones
            weighing more (the teacher of PromptSRC).
        image_head: Projection of the pooled feature before it is normalised (CLIP-Adapter).
        text_head: Projection of the texts before they are normalised (TaskRes).
        stream: Dense stream to compute `patch_scores` from, for scores and loss terms that look at
            patches; the branch's own score does not.
        embed_dim: E; supplied when a learner is built.
        inputs: What the learner supplies for building prompt and heads.
    """

    def __init__(
        self,
        prompt: Prompt | Mapping[str, Any],
        dropout: float = 0.0,
        loss: LossKind = "mean",
        ensemble: Ensemble = "scores",
        image_head: Projection | Mapping[str, Any] | None = None,
        text_head: Projection | Mapping[str, Any] | None = None,
        stream: str | None = None,
        embed_dim: int | None = None,
        inputs: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__()
        if loss not in ("mean", "per_prompt"):
            raise ValueError(f"expected loss 'mean' or 'per_prompt', got {loss!r}")
        if loss == "per_prompt" and dropout:
            raise ValueError("prompt dropout averages prompts, so it goes with loss='mean' only")
        if ensemble not in ("scores", "texts", "raw_texts"):
            raise ValueError(
                f"expected ensemble 'scores', 'texts' or 'raw_texts', got {ensemble!r}"
            )
        inputs = dict(inputs or {}, width=embed_dim)
        self.prompt = PROMPTS.build_if_config(prompt, **inputs)
        self.image_head = PROJECTIONS.build_if_config(image_head, **inputs)
        self.text_head = PROJECTIONS.build_if_config(text_head, **inputs)
        self.dropout = PromptDropout(dropout)
        self.loss_kind = loss
        self.has_own_loss = loss == "per_prompt" or dropout > 0
        self.ensemble = ensemble
        self.stream = stream

    def forward(
        self,
        features: ImageFeatures,
        text: Float[Tensor, "C N E"] | Float[Tensor, "B C N E"],
        project_dense: ProjectDense,
        patch_scores: bool = False,
        pairs: bool = True,
    ) -> Evidence:
        """Score every class for every image."""
        with torch.autocast(features.pooled.device.type, enabled=False):
            text = self._texts(text.float())
            pooled = features.pooled.float()
            pooled = pooled if self.image_head is None else self.image_head(pooled)
            cosines = cosine(F.normalize(pooled, dim=-1)[:, None], text)[:, 0]  # [B, C, N]
        singles = None
        if patch_scores and self.stream is not None:
            joint = project_dense(features.dense[self.stream])
            with torch.autocast(joint.device.type, enabled=False):
                singles = cosine(F.normalize(joint.float(), dim=-1), text).mean(-1)  # [B, P, C]
        return Evidence(cosines.mean(-1), cosines, cosines, patch_scores=singles)

    def loss(
        self, evidence: Evidence, labels: Int[Tensor, " B"], logit_scale: Float[Tensor, ""]
    ) -> Float[Tensor, ""]:
        """Cross-entropy of the mean over the kept prompts, or of each prompt."""
        per_prompt = self.loss_kind == "per_prompt"
        scores = evidence.prompt_scores if per_prompt else self.dropout(evidence.prompt_scores)
        return class_loss(scores, labels, logit_scale)

    def _texts(self, text: Tensor) -> Tensor:
        """Apply head and ensemble to texts [..., C, N, E]; the result has length one."""
        text = text if self.text_head is None else self.text_head(text)
        if self.ensemble == "raw_texts":
            text = text.mean(dim=-2, keepdim=True)
        text = F.normalize(text, dim=-1)
        if self.ensemble == "texts":
            text = F.normalize(text.mean(dim=-2, keepdim=True), dim=-1)
        return text

    def extra_repr(self) -> str:
        """Show the settings in the printed module."""
        return f"loss={self.loss_kind!r}, ensemble={self.ensemble!r}, stream={self.stream!r}"


def cosine(
    image: Float[Tensor, "B P E"], text: Float[Tensor, "C N E"] | Float[Tensor, "B C N E"]
) -> Float[Tensor, "B P C N"]:
    """Products of normalised features with normalised texts, of all images or one set per image."""
    texts = "cne" if text.ndim == 3 else "bcne"
    return torch.einsum(f"bpe,{texts}->bpcn", image, text)
