"""A linear classifier that starts at the texts of its classes (ZS-LP, CLAP)."""

from collections.abc import Mapping
from typing import Any, final

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from plp.branches.base import Branch, ProjectDense
from plp.branches.class_places import ClassPlaces
from plp.branches.losses import class_loss
from plp.checks import check_number
from plp.errors import ConfigError
from plp.prompts.base import Prompt
from plp.registry import BRANCHES, PROMPTS
from plp.structures import Evidence, ImageFeatures, Shots


@final
@BRANCHES.register_module()
class TextStartedProbe(Branch):
    """`cos(x, w_c)`: a learned row w_c [E] for each class, from the text of the class as start.

    The start is the mean over the prompt's templates of the texts as encoded, not normalised, as in
    ZS-LP (Silva-Rodriguez et al. 2024, A closer look at the few-shot adaptation of large
    vision-language models). Before `fit` rows are the texts themselves.

    With a penalty (CLAP, of the same paper) the loss has beside the cross-entropy

        penalty * mean over classes of lambda_c |w_c - t_c|^2,

    t_c the start and lambda_c the mean probability that the start gives the true class over the
    shots of class c, all views: where the texts are right already, rows stay near them. The
    multipliers stay fixed, as in the published scripts.

    New classes: rows belong to the classes of the training; others are scored by their texts.

    Args:
        prompt: Frozen prompt of the texts, or its config.
        penalty: Factor on the penalty: 0 for ZS-LP, 1 for CLAP.
        normalised: Start at the texts at length one, their mean over templates at length one again.
        num_classes: C; supplied when a learner is built, as the following.
        embed_dim: E.
        logit_scale: What the learner will multiply the scores with.
        inputs: What the learner supplies for building the prompt.
    """

    needs_shots = True

    anchors: Tensor  # [C, E]; buffers of the training, as the following
    multipliers: Tensor  # [C]

    def __init__(
        self,
        prompt: Prompt | Mapping[str, Any],
        penalty: float = 0.0,
        normalised: bool = False,
        *,
        num_classes: int,
        embed_dim: int,
        logit_scale: float,
        inputs: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__()
        check_number("penalty", penalty)
        self.prompt = frozen_prompt(prompt, inputs)
        self.penalty = penalty
        self.has_own_loss = penalty > 0
        self.normalised = normalised
        self.num_classes = num_classes
        self.logit_scale = logit_scale
        self.places = ClassPlaces()
        self.weight = nn.Parameter(torch.zeros(0, embed_dim))
        self.register_buffer("anchors", torch.zeros(0, embed_dim), persistent=False)
        self.register_buffer("multipliers", torch.zeros(0), persistent=False)

    def fit(
        self, shots: Shots, val: Shots | None, text: Float[Tensor, "C N E"] | None = None
    ) -> str:
        """Start the rows at the texts; with a penalty, set its multipliers from the shots.

        Raises:
            ValueError: if there are no texts.
        """
        if text is None:
            raise ValueError("expected the texts of the classes to start at, got none")
        rows = self._start(text)
        self._make_room(len(rows))
        with torch.no_grad():
            self.weight.copy_(rows)
        done = f"a classifier of {len(rows)} rows that start at the texts"
        if not self.penalty:
            return done
        self.anchors = rows.detach().clone()
        self.multipliers = true_class_probability(shots, rows, self.logit_scale)
        low, high = self.multipliers.aminmax()
        return f"{done}, multipliers of the penalty {low:.3g} to {high:.3g}"

    def forward(
        self,
        features: ImageFeatures,
        text: Float[Tensor, "C N E"],
        project_dense: ProjectDense,
        patch_scores: bool = False,
        pairs: bool = True,
    ) -> Evidence:
        """Score every class for every image."""
        with torch.autocast(features.pooled.device.type, enabled=False):
            rows = self._start(text)
            if len(self.weight):
                rows = self.places.rows(self.weight, rows)
            pooled = F.normalize(features.pooled.float(), dim=-1)
            scores = pooled @ F.normalize(rows, dim=-1).T
        return Evidence(scores, scores[..., None], scores[..., None])

    def loss(
        self, evidence: Evidence, labels: Int[Tensor, " B"], logit_scale: Float[Tensor, ""]
    ) -> Float[Tensor, ""]:
        """Cross-entropy and, if there is one, the penalty.

        Raises:
            ConfigError: for a penalty without `fit`, whose texts and shots it takes.
        """
        loss = class_loss(evidence.scores, labels, logit_scale)
        if not self.penalty:
            return loss
        if not len(self.anchors):
            raise ConfigError(
                "the penalty of TextStartedProbe is computed from shots and texts: call "
                "learner.fit(shots, val) before the loss"
            )
        moved = (self.weight - self.anchors).square().sum(-1)  # [C]
        return loss + self.penalty * (self.multipliers * moved).mean()

    def accommodate(self, shapes: Mapping[str, tuple[int, ...]]) -> None:
        """Make room for the rows of a checkpoint of as many classes; others will not fit."""
        if shapes.get("weight") == (self.num_classes, self.weight.shape[1]):
            self._make_room(self.num_classes)

    def _start(self, text: Float[Tensor, "C N E"]) -> Float[Tensor, "C E"]:
        if not self.normalised:
            return text.float().mean(dim=-2)
        return averaged(text)

    def _make_room(self, rows: int) -> None:
        # As many rows stay the parameter they are: an optimiser may hold it (a resumed run).
        if rows != len(self.weight):
            self.weight = nn.Parameter(self.weight.new_zeros(rows, self.weight.shape[1]))

    def extra_repr(self) -> str:
        """Show the settings in the printed module."""
        return f"penalty={self.penalty}, normalised={self.normalised}"


def frozen_prompt(prompt: Prompt | Mapping[str, Any], inputs: Mapping[str, Any] | None) -> Prompt:
    """Build the prompt of a branch that takes its texts as they are.

    Raises:
        ConfigError: for a prompt that learns or sees images, which such a branch would not train.
    """
    built: Prompt = PROMPTS.build_if_config(prompt, **inputs or {})
    if built.source.sees_images or any(one.requires_grad for one in built.source.parameters()):
        raise ConfigError(
            f"expected a prompt of fixed texts, such as TemplatePrompt, got "
            f"{type(built).__name__}, which is learned: this classifier starts at its texts and "
            "would not train it"
        )
    return built


def averaged(text: Float[Tensor, "C N E"]) -> Float[Tensor, "C E"]:
    """Return the mean of a class's texts, each of length one, at length one."""
    return F.normalize(F.normalize(text.float(), dim=-1).mean(dim=-2), dim=-1)


def true_class_probability(
    shots: Shots, rows: Float[Tensor, "C E"], scale: float
) -> Float[Tensor, " C"]:
    """Return the mean over a class's shots and views of the probability of the class.

    A class without a shot has the mean of the others.
    """
    labels, rows = shots.labels.to(rows.device), F.normalize(rows, dim=-1)
    total = rows.new_zeros(len(rows))
    for view in shots.pooled:  # one at a time: views of all shots need not fit the memory
        cosines = F.normalize(view.to(rows).float(), dim=-1) @ rows.T
        own = (scale * cosines).softmax(-1).gather(1, labels[:, None])[:, 0]
        total.index_add_(0, labels, own)
    count = labels.bincount(minlength=len(rows)) * len(shots.pooled)
    mean = total / count.clamp(min=1)
    return torch.where(count > 0, mean, mean.sum() / (count > 0).sum())
