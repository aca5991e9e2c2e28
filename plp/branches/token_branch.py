"""Tokens that a tuner put into the image tower, against the prompts (MMRL)."""

from collections.abc import Mapping
from typing import Any, final

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from plp.branches.base import Branch, ProjectDense
from plp.branches.global_branch import cosine
from plp.errors import ConfigError
from plp.prompts.base import Prompt
from plp.registry import BRANCHES, PROMPTS
from plp.structures import Evidence, ImageFeatures


@final
@BRANCHES.register_module()
class TokenBranch(Branch):
    """Cosine of each prompt with the mean of extra tokens, behind a learned map: f_r of MMRL.

    Guo and Gu 2025, MMRL, equations 11 to 13: the last states of the tokens, behind the image
    tower's last norm, averaged over the K tokens and multiplied by a matrix of their own.

    Args:
        prompt: The prompt, or its config; usually a `BorrowedPrompt`.
        tokens: Which tokens: 'NAME.SET' of the tuner NAME, which reads them back
            (`ExtraTokens.read`). `RepresentationTokens` calls its set 'tokens'.
        trained_classes_only: Have no say about classes that were not trained with: the fused scores
            of these are those of the other branches, as published.
        dense_dim: W, width of the image tower's tokens; supplied when a learner is built, as the
            following.
        embed_dim: E.
        inputs: What the learner supplies for building the prompt.

    Attributes:
        token_projection: The map, [W, E], at the start N(0, 1/W).
    """

    speaks_for: Tensor | None  # [C]; a buffer

    def __init__(
        self,
        prompt: Prompt | Mapping[str, Any],
        tokens: str,
        trained_classes_only: bool = True,
        *,
        dense_dim: int,
        embed_dim: int,
        inputs: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__()
        self.prompt = PROMPTS.build_if_config(prompt, **inputs or {})
        self.tokens = tokens
        self.trained_classes_only = trained_classes_only
        start = torch.randn(dense_dim, embed_dim) * max(dense_dim, 1) ** -0.5
        self.token_projection = nn.Parameter(start)
        self.register_buffer("speaks_for", None, persistent=False)

    def set_classes(self, trained: Int[Tensor, " C"]) -> None:
        """Have no say about classes that were not trained with, where it should have none."""
        known: Bool[Tensor, " C"] = trained >= 0
        silent = self.trained_classes_only and not bool(known.all())
        self.speaks_for = known.to(self.token_projection.device) if silent else None

    def forward(
        self,
        features: ImageFeatures,
        text: Float[Tensor, "C N E"] | Float[Tensor, "B C N E"],
        project_dense: ProjectDense,
        patch_scores: bool = False,
        pairs: bool = True,
    ) -> Evidence:
        """Score every class for every image.

        Raises:
            ConfigError: if no tuner returned tokens of this name.
        """
        if self.tokens not in features.extra:
            raise ConfigError(
                f"tokens {self.tokens!r}: expected tokens that a tuner puts into the image tower "
                f"and reads back, got {', '.join(features.extra) or 'none'}"
            )
        with torch.autocast(features.pooled.device.type, enabled=False):
            joint = features.extra[self.tokens].float().mean(1) @ self.token_projection  # [B, E]
            text = F.normalize(text.float(), dim=-1)
            cosines = cosine(F.normalize(joint, dim=-1)[:, None], text)[:, 0]  # [B, C, N]
        return Evidence(cosines.mean(-1), cosines, cosines, speaks_for=self.speaks_for)

    def extra_repr(self) -> str:
        """Show which tokens it reads in the printed module."""
        return f"tokens={self.tokens!r}, trained_classes_only={self.trained_classes_only}"
