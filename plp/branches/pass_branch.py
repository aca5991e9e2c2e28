"""Several features of an image against several prompts, joined by transport (PLOT++)."""

from collections.abc import Mapping
from typing import Any, NamedTuple, final

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from plp.aligners.base import Aligner
from plp.branches.base import Branch, ProjectDense
from plp.branches.global_branch import cosine
from plp.branches.plan_check import check_plan, needs_check
from plp.prompts.base import Prompt
from plp.registry import ALIGNERS, BRANCHES, PROMPTS
from plp.structures import Evidence, ImageFeatures


class AlignedPasses(NamedTuple):
    """Cosines of passes with prompts, and the plan between them."""

    similarity: Float[Tensor, "B C M N"]
    plan: Float[Tensor, "B C M N"]


@final
@BRANCHES.register_module()
class PassBranch(Branch):
    """Class score = sum of plan times cosine over the passes of an image and the class's prompts.

    The passes are those of tuners such as `ImagePromptSets`; without such a tuner there is one.
    As PLOT (Chen et al. 2023) matches patches, PLOT++ matches these. The aligner's marginals are
    1/M for passes and 1/N for prompts.

    Args:
        prompt: The prompt, or its config.
        aligner: Distributes mass over (pass, prompt) pairs.
        add_global: Whether the cosine of the mean feature with the mean text is added, of features
            and texts as they are encoded: published in the first of two runs, which learns image
            prompts alone.
        freeze_prompt: Whether the prompt stays as it starts, as in that run.
        inputs: What the learner supplies for building the parts.
    """

    def __init__(
        self,
        prompt: Prompt | Mapping[str, Any],
        aligner: Aligner | Mapping[str, Any],
        add_global: bool = False,
        freeze_prompt: bool = False,
        inputs: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__()
        inputs = inputs or {}
        self.prompt = PROMPTS.build_if_config(prompt, **inputs)
        self.aligner = ALIGNERS.build_if_config(aligner, **inputs)
        self.add_global = add_global
        if freeze_prompt:
            self.prompt.requires_grad_(False)
        self._unchecked = {True, False} if needs_check(self.aligner) else set()  # modes

    def align(
        self,
        features: ImageFeatures,
        text: Float[Tensor, "C N E"] | Float[Tensor, "B C N E"],
    ) -> AlignedPasses:
        """Compare every pass with every prompt, and share mass out."""
        passes = features.pooled[:, None] if features.passes is None else features.passes
        with torch.autocast(passes.device.type, enabled=False):
            unit = F.normalize(passes.float(), dim=-1)
            pairs = cosine(unit, F.normalize(text.float(), dim=-1))  # [B, M, C, N]
            similarity = pairs.transpose(1, 2).contiguous()
            plan = self.aligner(similarity)
        if self.training in self._unchecked:  # the first batch of training, and of evaluation
            check_plan(self.aligner, plan, similarity, None)
            self._unchecked.discard(self.training)
        return AlignedPasses(similarity, plan)

    def forward(
        self,
        features: ImageFeatures,
        text: Float[Tensor, "C N E"] | Float[Tensor, "B C N E"],
        project_dense: ProjectDense,
        patch_scores: bool = False,
        pairs: bool = True,
    ) -> Evidence:
        """Score every class for every image."""
        similarity, plan = self.align(features, text)
        prompt_scores = (plan * similarity).sum(2) * similarity.shape[-1]  # [B, C, N]
        if self.add_global:
            with torch.autocast(text.device.type, enabled=False):
                mean = F.normalize(text.float().mean(-2, keepdim=True), dim=-1)
                pooled = F.normalize(features.pooled.float(), dim=-1)[:, None]
                prompt_scores = prompt_scores + cosine(pooled, mean)[:, 0]
        return Evidence(prompt_scores.mean(-1), prompt_scores, None)

    def extra_repr(self) -> str:
        """Show the settings in the printed module."""
        return f"add_global={self.add_global}"
