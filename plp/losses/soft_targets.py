"""Learn from the class probabilities of a frozen teacher (knowledge distillation)."""

from typing import final

from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from plp.losses.base import LossInputs, LossTerm, named
from plp.registry import LOSSES


@final
@LOSSES.register_module()
class SoftTargets(LossTerm):
    """Cross-entropy of a branch's class probabilities with those of a frozen reference.

    `weight * T^2 * mean over images of -sum_c p_c log q_c`, with p = softmax(teacher logits / T)
    and q = softmax(branch logits / T). It differs from the Kullback-Leibler divergence by the
    entropy of p, which is constant: the gradients are the same (Hinton et al. 2015, section 2.1;
    Zhu et al. 2023, ProGrad, equation 3).

    Args:
        branch: The branch that learns.
        teacher: The reference it learns from.
        temperature: T; published with ProGrad 1.
        weight: Of the term. As the guide of `GradientProjection` only its sign matters.
    """

    needs_frozen_images = True

    def __init__(
        self,
        branch: str = "global",
        teacher: str = "zero_shot",
        temperature: float = 1.0,
        weight: float = 1.0,
    ) -> None:
        super().__init__()
        if temperature <= 0 or weight < 0:
            raise ValueError(
                f"expected temperature > 0 and weight >= 0, got {temperature} and {weight}"
            )
        self.branch = branch
        self.teacher = teacher
        self.temperature = temperature
        self.weight = weight
        self.scored_references = (teacher,)

    def forward(self, inputs: LossInputs) -> Float[Tensor, ""]:
        """Compare the branch's class probabilities with the teacher's."""
        factor = inputs.logit_scale / self.temperature
        student = named(inputs.evidence, self.branch, "evidence of a branch").scores
        teacher = named(inputs.teachers, self.teacher, "evidence of a reference").scores.detach()
        targets = (factor * teacher.float()).softmax(-1)
        loss = F.cross_entropy(factor * student.float(), targets)
        return self.weight * self.temperature**2 * loss

    def extra_repr(self) -> str:
        """Show the settings in the printed module."""
        return (
            f"branch={self.branch!r}, teacher={self.teacher!r}, temperature={self.temperature}, "
            f"weight={self.weight}"
        )
