"""Keep class probabilities near those of a frozen teacher (PromptSRC)."""

from typing import Literal, final

from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from plp.errors import ConfigError
from plp.losses._teacher import TeacherTerm
from plp.losses.base import LossInputs
from plp.registry import LOSSES


@final
@LOSSES.register_module()
class TeacherDivergence(TeacherTerm):
    """`weight * T^2 * mean over images of sum_c p_c (log p_c - log q_c)`, p: teacher, q: branch.

    The Kullback-Leibler divergence of Khattak et al. 2023, PromptSRC, equation 4. The published
    code divides by the number of classes too, so that with a thousand of them the term all but
    vanishes: `mean_over='images_and_classes'`.

    It has the gradient of `SoftTargets`, which leaves the teacher's entropy out, where both take
    their mean over images.

    Args:
        branch: The branch that learns.
        teacher: The reference it is held against.
        temperature: T; published 1.
        weight: Published 1.
        mean_over: 'images', or 'images_and_classes' as published.
    """

    def __init__(
        self,
        branch: str = "global",
        teacher: str = "zero_shot",
        temperature: float = 1.0,
        weight: float = 1.0,
        mean_over: Literal["images", "images_and_classes"] = "images",
    ) -> None:
        super().__init__(branch, teacher, temperature, weight)
        if mean_over not in ("images", "images_and_classes"):
            raise ConfigError(
                f"expected mean_over 'images' or 'images_and_classes', got {mean_over!r}"
            )
        self.mean_over = mean_over

    def forward(self, inputs: LossInputs) -> Float[Tensor, ""]:
        """Compare the branch's class probabilities with the teacher's."""
        student, teacher = self.logits(inputs)
        log_q, log_p = student.log_softmax(-1), teacher.log_softmax(-1)
        divergence = F.kl_div(log_q, log_p, reduction="batchmean", log_target=True)
        if self.mean_over == "images_and_classes":
            divergence = divergence / log_q.shape[-1]
        return self.weight * self.temperature**2 * divergence

    def extra_repr(self) -> str:
        """Show the settings in the printed module."""
        return f"{super().extra_repr()}, mean_over={self.mean_over!r}"
