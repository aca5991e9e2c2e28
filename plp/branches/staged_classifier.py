"""A classifier that starts at the texts, learned after what made the texts."""

from collections.abc import Mapping
from typing import Any, final

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from plp.branches.base import Branch, ProjectDense
from plp.branches.class_places import ClassPlaces
from plp.branches.global_branch import cosine
from plp.checks import check_integer
from plp.prompts.base import Prompt
from plp.registry import BRANCHES, PROMPTS
from plp.structures import Evidence, ImageFeatures


@final
@BRANCHES.register_module()
class StagedClassifier(Branch):
    """Cosine with the texts; from a stage of training on, with rows that started at them.

    Farina et al., 2SFS, arXiv 2503.11609: the first stage learns inside the towers, with texts as
    class prototypes; the second freezes that, and learns one row for each class, which is
    normalised again in each pass. Rows are for the classes of the training: other classes are
    compared with their texts, as the towers of the first stage make them.

    A class's prototype is the mean of its texts of length one.

    Args:
        prompt: The prompt, or its config.
        stage: The stage of training (`train_cfg.stages`), from 0, that learns the rows.
        embed_dim: E; supplied when a learner is built, as the following.
        num_classes: C of the training.
        inputs: What the learner supplies for building the prompt.
    """

    started: Tensor  # [], whether there are rows; a buffer

    def __init__(
        self,
        prompt: Prompt | Mapping[str, Any],
        stage: int = 1,
        *,
        embed_dim: int,
        num_classes: int,
        inputs: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__()
        check_integer("stage", stage, least=0)
        self.prompt = PROMPTS.build_if_config(prompt, **inputs or {})
        self.stage = stage
        self.classifier = nn.Parameter(torch.zeros(num_classes, embed_dim))
        self.register_buffer("started", torch.tensor(False))
        self.places = ClassPlaces()

    def freeze_for(self, stage: int) -> None:
        """Let the rows be learned in their stage alone."""
        self.classifier.requires_grad_(stage == self.stage)

    @torch.no_grad()
    def begin_stage(self, stage: int, text: Float[Tensor, "C N E"] | None) -> str:
        """Start the rows at the texts, when their stage begins."""
        if stage != self.stage or bool(self.started) or text is None:
            return ""
        self.classifier.copy_(_prototypes(text))
        self.started.fill_(True)
        return f"{len(self.classifier)} rows started at the texts"

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
            pooled = F.normalize(features.pooled.float(), dim=-1)
            texts = _prototypes(text.float())  # [C, E] or [B, C, E]
            rows = self.places.rows(F.normalize(self.classifier.float(), dim=-1), texts)
            rows = torch.where(self.started, rows, texts)
            scores = cosine(pooled[:, None], rows[..., None, :])[:, 0, :, 0]
        return Evidence(scores, scores[..., None], scores[..., None])

    def extra_repr(self) -> str:
        """Show the settings in the printed module."""
        return f"{len(self.classifier)} rows, learned in stage {self.stage}"


def _prototypes(text: Float[Tensor, "*axes N E"]) -> Float[Tensor, "*axes E"]:
    text = F.normalize(text, dim=-1)
    if text.shape[-2] == 1:  # of length one already
        return text[..., 0, :]
    return F.normalize(text.mean(dim=-2), dim=-1)
