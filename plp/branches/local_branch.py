"""Patches against the prompts of each class: project, select, align."""

import warnings
from collections.abc import Mapping
from typing import Any, Literal, final

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F

from plp.aligners.base import Aligner
from plp.branches.base import Branch, ProjectDense
from plp.branches.global_branch import cosine
from plp.branches.losses import LossKind, class_loss
from plp.branches.plan_check import check_plan, needs_check
from plp.branches.support import Supported, join, support_mask, walk_classes
from plp.checks import check_choice, check_integer
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
        class_chunk: Classes that are compared with the patches at a time; None for as many as keep
            their cosines [B, P, c, N] within 8 MiB, on a GPU within 1 GiB. The numbers do not
            depend on it.
        dense_dim: W; supplied when a learner is built.
        inputs: What the learner supplies for building the parts.
    """

    stream: str
    has_pairs = True

    def __init__(
        self,
        prompt: Prompt | Mapping[str, Any],
        stream: str,
        selector: Selector | Mapping[str, Any],
        aligner: Aligner | Mapping[str, Any],
        projection: Projection | Mapping[str, Any] | None = None,
        score_scale: ScoreScale = "paper",
        loss: LossKind = "mean",
        class_chunk: int | None = None,
        dense_dim: int | None = None,
        inputs: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__()
        check_choice("score_scale", score_scale, ("paper", "published_code"))
        check_choice("loss", loss, ("mean", "per_prompt"))
        if class_chunk is not None:
            check_integer("class_chunk", class_chunk, other="None")
        inputs = dict(inputs or {}, width=dense_dim)
        projection = dict(type="IdentityProjection") if projection is None else projection
        self.stream = stream
        self.score_scale = score_scale
        self.loss_kind = loss
        self.has_own_loss = loss == "per_prompt"
        self.class_chunk = class_chunk
        self.prompt = PROMPTS.build_if_config(prompt, **inputs)
        self.projection = PROJECTIONS.build_if_config(projection, **inputs)
        self.selector = SELECTORS.build_if_config(selector, **inputs)
        self.aligner = ALIGNERS.build_if_config(aligner, **inputs)
        self._unchecked = {True, False} if needs_check(self.aligner) else set()  # modes

    def forward(
        self,
        features: ImageFeatures,
        text: Float[Tensor, "C N E"] | Float[Tensor, "B C N E"],
        project_dense: ProjectDense,
        patch_scores: bool = False,
        pairs: bool = True,
    ) -> Evidence:
        """Score every class for every image from the patches of its support.

        Without `pairs` only the plan is held for all classes, and that only for the gradient.
        """
        joint = project_dense(self.projection(features.dense[self.stream]))
        with torch.autocast(joint.device.type, enabled=False):
            patches = F.normalize(joint.float(), dim=-1)
            texts = F.normalize(text.float(), dim=-1)
            walk = walk_classes(patches, texts, self.selector, self.class_chunk, patch_scores)
            parts: list[Evidence] = []
            for found in walk:
                if not parts:
                    _warn_of_unlike_rows(self.aligner, found.support)
                parts.append(self._align(found, pairs))
        self._unchecked.discard(self.training)
        return _joined(parts)

    def _align(self, found: Supported, pairs: bool) -> Evidence:
        """Score some of the classes on their support."""
        similarity, support, singles = found
        mask = support_mask(support, similarity.shape[-1])
        plan = self.aligner(similarity, mask)
        if self.training in self._unchecked:  # the first batch of training, and of evaluation
            check_plan(self.aligner, plan, similarity, mask)
        prompt_scores = (plan * similarity).sum(2) * similarity.shape[-1]  # [B, C, N]
        scores = prompt_scores.mean(-1) * self._factor(similarity.shape[-1])
        if not pairs:
            return Evidence(scores, prompt_scores, None, patch_scores=singles)
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


def _joined(parts: list[Evidence]) -> Evidence:
    """Put the evidence of parts of the classes together."""
    if len(parts) == 1:
        return parts[0]
    fields = ("scores", "prompt_scores", "similarity", "plan")
    whole = {name: _cat([getattr(part, name) for part in parts], dim=1) for name in fields}
    supports = [part.support for part in parts if part.support is not None]
    return Evidence(
        **whole,
        support=join(supports) if supports else None,
        patch_scores=_cat([part.patch_scores for part in parts], dim=-1),  # [B, P, C]
    )


def _cat(parts: list[Tensor | None], dim: int) -> Any:
    """Put parts together; None if there are none."""
    there = [part for part in parts if part is not None]
    return torch.cat(there, dim) if there else None


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
