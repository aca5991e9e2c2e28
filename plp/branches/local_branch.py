"""Patches against the prompts of each class: project, select, align."""

import warnings
from collections.abc import Mapping
from typing import Any, Literal, final

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn import functional as F

from plp.aligners.base import Aligner
from plp.branches.base import Branch, ProjectDense
from plp.branches.global_branch import cosine
from plp.branches.losses import LossKind, class_loss
from plp.projections.base import Projection
from plp.prompts.base import Prompt
from plp.registry import ALIGNERS, BRANCHES, PROJECTIONS, PROMPTS, SELECTORS
from plp.selectors.base import Selector
from plp.structures import Evidence, ImageFeatures, Support

ScoreScale = Literal["paper", "published_code"]


@final
@BRANCHES.register_module()
class LocalBranch(Branch):
    """Class score = sum of transport plan times cosine over the support of the class.

    SOT-GLP (arXiv 2603.08347): the support is shared by the class's prompts and the plan is
    balanced entropic transport. GalLoP: one support a prompt and the mean. PLOT: all patches and
    transport.

    Args:
        prompt: The prompt, or its config.
        stream: The backbone's dense stream to look at.
        projection: Head on the dense features, before the joint projection.
        selector: Picks the support.
        aligner: Distributes mass over (patch, prompt) pairs.
        score_scale: Factor on the score. 'paper': the plan's total mass is one, so the score is an
            average cosine. 'published_code': 1 / N, because the published code of SOT-GLP sums over
            patches and then averages over prompts; with N = 4 local logits are a quarter of the
            global ones, which changes the balance of the fusion and the temperature.
        loss: 'mean' trains the class score; 'per_prompt' lets each prompt answer for itself.
        dense_dim: W; supplied when a learner is built.
        inputs: What the learner supplies for building the parts.
    """

    stream: str

    def __init__(
        self,
        prompt: Prompt | Mapping[str, Any],
        stream: str,
        selector: Selector | Mapping[str, Any],
        aligner: Aligner | Mapping[str, Any],
        projection: Projection | Mapping[str, Any] | None = None,
        score_scale: ScoreScale = "paper",
        loss: LossKind = "mean",
        dense_dim: int | None = None,
        inputs: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__()
        if score_scale not in ("paper", "published_code"):
            raise ValueError(
                f"expected score_scale 'paper' or 'published_code', got {score_scale!r}"
            )
        if loss not in ("mean", "per_prompt"):
            raise ValueError(f"expected loss 'mean' or 'per_prompt', got {loss!r}")
        inputs = dict(inputs or {}, width=dense_dim)
        projection = dict(type="IdentityProjection") if projection is None else projection
        self.stream = stream
        self.score_scale = score_scale
        self.loss_kind = loss
        self.prompt = PROMPTS.build_if_config(prompt, **inputs)
        self.projection = PROJECTIONS.build_if_config(projection, **inputs)
        self.selector = SELECTORS.build_if_config(selector, **inputs)
        self.aligner = ALIGNERS.build_if_config(aligner, **inputs)

    def forward(
        self,
        features: ImageFeatures,
        text: Float[Tensor, "C N E"] | Float[Tensor, "B C N E"],
        project_dense: ProjectDense,
        patch_scores: bool = False,
    ) -> Evidence:
        """Score every class for every image from the patches of its support."""
        cosines = self.patch_cosines(features, text, project_dense)
        with torch.autocast(cosines.device.type, enabled=False):
            support = self.selector(cosines)
            _warn_of_unlike_rows(self.aligner, support)
            similarity = gather_support(cosines, support)  # [B, C, K, N]
            plan = self.aligner(similarity, support_mask(support, similarity.shape[-1]))
            prompt_scores = (plan * similarity).sum(2) * similarity.shape[-1]  # [B, C, N]
            scores = prompt_scores.mean(-1) * self._factor(similarity.shape[-1])
            singles = cosines.detach().mean(-1) if patch_scores else None  # [B, P, C]
        return Evidence(scores, prompt_scores, similarity, support, plan, singles)

    def patch_cosines(
        self,
        features: ImageFeatures,
        text: Float[Tensor, "C N E"] | Float[Tensor, "B C N E"],
        project_dense: ProjectDense,
    ) -> Float[Tensor, "B P C N"]:
        """Compare every patch with every prompt: what support and plan are made from."""
        joint = project_dense(self.projection(features.dense[self.stream]))
        with torch.autocast(joint.device.type, enabled=False):
            patches = F.normalize(joint.float(), dim=-1)
            return cosine(patches, F.normalize(text.float(), dim=-1))

    def loss(
        self, evidence: Evidence, labels: Int[Tensor, " B"], logit_scale: Float[Tensor, ""]
    ) -> Float[Tensor, ""]:
        """Cross-entropy of the class scores, or of each prompt's."""
        if self.loss_kind == "mean":
            return class_loss(evidence.scores, labels, logit_scale)
        factor = self._factor(evidence.prompt_scores.shape[-1])
        return class_loss(evidence.prompt_scores * factor, labels, logit_scale)

    def _factor(self, num_prompts: int) -> float:
        return 1.0 if self.score_scale == "paper" else 1.0 / num_prompts

    def extra_repr(self) -> str:
        """Show stream and scale in the printed module."""
        return f"stream={self.stream!r}, score_scale={self.score_scale!r}, loss={self.loss_kind!r}"


def _warn_of_unlike_rows(aligner: Aligner, support: Support) -> None:
    """Say so where a plan keeps a marginal over patches that are not the same for all prompts."""
    if aligner.needs_shared_patches and support.indices.shape[-1] > 1:
        ragged = "" if support.kept is None else ", and prompts that keep fewer cannot meet it"
        warnings.warn(
            f"{type(aligner).__name__} shares out each patch among the prompts, but the selector "
            f"gives every prompt patches of its own: row k means another patch to each{ragged}. "
            "Use SharedTopK or AllPatches, or an aligner without a marginal over patches "
            "(MeanAligner, MaxSimAligner)",
            stacklevel=3,
        )


def gather_support(cosines: Float[Tensor, "B P C N"], support: Support) -> Float[Tensor, "B C K N"]:
    """Take the cosines of each class's support."""
    index = support.indices.transpose(1, 2)  # [B, K, C, 1 or N]
    index = index.expand(-1, -1, -1, cosines.shape[-1])
    return cosines.gather(1, index).transpose(1, 2)


def support_mask(support: Support, num_prompts: int) -> Bool[Tensor, "K N"] | None:
    """Which pairs count where prompts keep different numbers of patches."""
    if support.kept is None:
        return None
    rank = torch.arange(support.indices.shape[2], device=support.indices.device)
    kept = torch.tensor(support.kept, device=support.indices.device).expand(num_prompts)
    return rank[:, None] < kept
