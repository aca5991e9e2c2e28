"""Learn from the class probabilities of a frozen teacher (knowledge distillation)."""

from typing import final

from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from plp.losses._teacher import TeacherTerm
from plp.losses.base import LossInputs
from plp.registry import LOSSES


@final
@LOSSES.register_module()
class SoftTargets(TeacherTerm):
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

    def __init__(
        self,
        branch: str = "global",
        teacher: str = "zero_shot",
        temperature: float = 1.0,
        weight: float = 1.0,
    ) -> None:
        super().__init__(branch, teacher, temperature, weight)

    def forward(self, inputs: LossInputs) -> Float[Tensor, ""]:
        """Compare the branch's class probabilities with the teacher's."""
        student, teacher = self.logits(inputs)
        loss = F.cross_entropy(student, teacher.softmax(-1))
        return self.weight * self.temperature**2 * loss
