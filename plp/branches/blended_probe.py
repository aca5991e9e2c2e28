"""A linear probe blended with the texts by a learned factor for each class (LP++)."""

from collections.abc import Mapping
from typing import Any, NamedTuple, final

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F

from plp.branches.base import Branch, ProjectDense
from plp.branches.class_places import ClassPlaces
from plp.branches.text_probe import averaged, frozen_prompt
from plp.checks import check_integer
from plp.prompts.base import Prompt
from plp.registry import BRANCHES
from plp.structures import Evidence, ImageFeatures, Shots

_MOMENTUM = 0.9
_ALPHA_EVERY = 10  # steps of the weights for one of the blending factors
_ALPHA_START = 250.0  # times the mean cosine with the own class


class Blend(NamedTuple):
    """What LP++ learns: `logit(c) = w_c x + b_c + alpha_c cos(x, t_c)`, x of length one.

    Attributes:
        weight: Rows w_c.
        bias: b_c.
        alpha: Factor on the cosine with the text of each class.
        step: After how many steps this was best on validation images; all, where there are none.
        right: Share of validation images right then; None where there are none.
    """

    weight: Float[Tensor, "C E"]
    bias: Float[Tensor, " C"]
    alpha: Float[Tensor, " C"]
    step: int
    right: float | None


@final
@BRANCHES.register_module()
class BlendedProbe(Branch):
    """`(w_c x + b_c + alpha_c cos(x, t_c)) / logit_scale`, fitted to the shots as LP++ does.

    Huang et al. 2024, LP++: A surprisingly strong linear probe for few-shot CLIP. Nothing is to be
    chosen: starts and rates follow from the features, see `lp_plus_plus`.
    Logits have no temperature. Of the steps the last with the best accuracy on validation images is
    kept, as in the published code; without them the last of all.

    New classes: they have no row; their logit is alpha cos(x, t_c) with the mean of alpha over
    classes, or the logit scale where that mean is not positive. Where all classes are new, that is
    the ranking of the zero-shot classifier; beside trained classes, which have a row, new ones
    stand back.

    Args:
        prompt: Frozen prompt of the texts, or its config; several templates are averaged as texts.
        steps: Full-batch steps; published 300.
        num_classes: C; supplied when a learner is built, as the following.
        embed_dim: E.
        logit_scale: What the learner will multiply the scores with.
        inputs: What the learner supplies for building the prompt.
    """

    needs_shots = True
    fitted_by_softmax = True

    weight: Tensor  # [C, E]; buffers, as the following
    bias: Tensor  # [C]
    alpha: Tensor  # [C]

    def __init__(
        self,
        prompt: Prompt | Mapping[str, Any],
        steps: int = 300,
        *,
        num_classes: int,
        embed_dim: int,
        logit_scale: float,
        inputs: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__()
        check_integer("steps", steps)
        self.prompt = frozen_prompt(prompt, inputs)
        self.steps = steps
        self.logit_scale = logit_scale
        self.places = ClassPlaces()
        self.register_buffer("weight", torch.zeros(num_classes, embed_dim))
        self.register_buffer("bias", torch.zeros(num_classes))
        self.register_buffer("alpha", torch.full((num_classes,), float(logit_scale)))

    def fit(
        self, shots: Shots, val: Shots | None, text: Float[Tensor, "C N E"] | None = None
    ) -> str:
        """Take the steps of LP++; every view of a shot counts as an image.

        Raises:
            ValueError: if there are no texts.
        """
        if text is None:
            raise ValueError("expected the texts of the classes to blend in, got none")
        views = len(shots.pooled)
        images = F.normalize(shots.pooled.flatten(0, 1).to(self.weight), dim=-1)
        labels = shots.labels.to(self.weight.device)
        held = None
        if val is not None:
            held = F.normalize(val.pooled[0].to(self.weight), dim=-1), val.labels.to(labels)
        found = lp_plus_plus(
            images, labels.repeat(views), averaged(text).to(self.weight), self.steps, held
        )
        self.weight.copy_(found.weight)
        self.bias.copy_(found.bias)
        self.alpha.copy_(found.alpha)
        why = "no validation images"
        if found.right is not None:
            why = f"validation accuracy {100 * found.right:.1f} %"
        low, high = found.alpha.aminmax()
        return (
            f"step {found.step} of {self.steps} on {len(images)} images ({why}), "
            f"alpha {low:.3g} to {high:.3g}"
        )

    def forward(
        self,
        features: ImageFeatures,
        text: Float[Tensor, "C N E"],
        project_dense: ProjectDense,
        patch_scores: bool = False,
        pairs: bool = True,
    ) -> Evidence:
        """Score every class for every image; before `fit` from the texts alone."""
        with torch.autocast(features.pooled.device.type, enabled=False):
            pooled = F.normalize(features.pooled.float(), dim=-1)
            cosines = pooled @ averaged(text).T
            weight, bias, alpha = self._of_classes(len(cosines.T))
            scores = (F.linear(pooled, weight, bias) + alpha * cosines) / self.logit_scale
        return Evidence(scores, scores[..., None], cosines[..., None])

    def _of_classes(self, classes: int) -> tuple[Tensor, Tensor, Tensor]:
        rows, mean = self.places.rows, self.alpha.mean()
        mean = torch.where(mean > 0, mean, self.logit_scale)
        return (
            rows(self.weight, self.weight.new_zeros(classes, self.weight.shape[1])),
            rows(self.bias, self.bias.new_zeros(classes)),
            rows(self.alpha, mean.expand(classes)),
        )

    def extra_repr(self) -> str:
        """Show the number of steps in the printed module."""
        return f"steps={self.steps}"


def lp_plus_plus(
    images: Float[Tensor, "M E"],
    labels: Int[Tensor, " M"],
    texts: Float[Tensor, "C E"],
    steps: int,
    val: tuple[Float[Tensor, "V E"], Int[Tensor, " V"]] | None = None,
) -> Blend:
    """Learn a blend of a linear probe with texts, all of length one, by full-batch steps.

    - w_c starts at the sum of the class's images, b at 0, alpha at the mean over classes of 250
      times the mean cosine of a class's images with its text.
    - Each step is one of gradient descent with momentum 0.9 on w and b, at the rate
      4 M / (largest eigenvalue of X^T X).
    - Every tenth step alpha moves at the rate M / (4 max over c of sum of cos(x, t_c)^2) along a
      gradient that is summed over all steps so far: the published code never sets it to zero.

    Args:
        images: X.
        labels: Class of each image.
        texts: Text of each class.
        steps: How many steps of w.
        val: Images and labels to choose the step by.
    """
    true = F.one_hot(labels, len(texts)).to(images)  # [M, C]
    cosines = images @ texts.T
    count = true.sum(0)
    own = (true * cosines).sum(0) / count.clamp(min=1)
    start = _ALPHA_START * own.sum() / (count > 0).sum()
    weight, bias = true.T @ images, images.new_zeros(len(texts))
    alpha, summed = start.expand(len(texts)).clone(), torch.zeros_like(bias)
    speed, bias_speed = torch.zeros_like(weight), torch.zeros_like(bias)
    gram = images.T @ images if len(images) > images.shape[1] else images @ images.T
    rate = 4 * len(images) / torch.linalg.eigvalsh(gram.double())[-1].to(images)
    alpha_rate = len(images) / (4 * cosines.square().sum(0).max())
    held = None if val is None else (*val, val[0] @ texts.T)
    best = _Best(weight, bias, alpha, images.new_zeros(()), labels.new_zeros(()))
    for step in range(1, steps + 1):
        logits = F.linear(images, weight, bias) + alpha * cosines
        slope = (logits.softmax(-1) - true) / len(images)  # of the mean cross-entropy
        summed += (slope * cosines).sum(0)
        speed.mul_(_MOMENTUM).add_(slope.T @ images)
        bias_speed.mul_(_MOMENTUM).add_(slope.sum(0))
        weight, bias = weight - rate * speed, bias - rate * bias_speed
        if step % _ALPHA_EVERY == 0:
            alpha = alpha - alpha_rate * summed
        if held is not None:
            predicted = (F.linear(held[0], weight, bias) + alpha * held[2]).argmax(-1)
            right = (predicted == held[1]).to(images).mean()
            best = best.of(_Best(weight, bias, alpha, right, labels.new_full((), step)))
    if held is None:
        return Blend(weight, bias, alpha, steps, None)
    return Blend(*best[:3], int(best.step), float(best.right))


class _Best(NamedTuple):
    """The best so far, in tensors: nothing is read from the device before the end."""

    weight: Tensor
    bias: Tensor
    alpha: Tensor
    right: Tensor
    step: Tensor

    def of(self, other: "_Best") -> "_Best":
        """Return the one with more images right; of two that are level the other."""
        better = other.right >= self.right
        return _Best(*(torch.where(better, o, s) for o, s in zip(other, self, strict=True)))
