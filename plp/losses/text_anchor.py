"""Keep learned texts near those of a teacher (KgCoOp)."""

from typing import final

from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from plp.losses.base import LossInputs, LossTerm, named
from plp.registry import LOSSES


@final
@LOSSES.register_module()
class TextAnchor(LossTerm):
    """`weight * mean over classes and prompts of (1 - cos(text, teacher's text))`.

    Yao et al. 2023, Knowledge-guided context optimization, equation 4, in the form of the published
    code: for texts of length one, half of the squared distance in the paper, at the same weight.

    Args:
        branch: The branch whose texts are learned.
        teacher: The reference whose texts they should stay near; with several templates, their
            normalised mean is the teacher.
        weight: Published 8.
    """

    def __init__(
        self, branch: str = "global", teacher: str = "zero_shot", weight: float = 8.0
    ) -> None:
        super().__init__()
        if weight < 0:
            raise ValueError(f"expected a weight from 0 up, got {weight}")
        self.branch = branch
        self.teacher = teacher
        self.weight = weight

    def forward(self, inputs: LossInputs) -> Float[Tensor, ""]:
        """Measure how far texts have moved from the teacher's."""
        text = F.normalize(named(inputs.texts, self.branch, "texts of a branch"), dim=-1)
        teacher = named(inputs.texts, self.teacher, "texts of a reference").detach()
        teacher = F.normalize(teacher, dim=-1).mean(dim=-2, keepdim=True)  # [C, 1, E]
        teacher = F.normalize(teacher, dim=-1)
        return self.weight * (1 - (text * teacher).sum(-1)).mean()

    def extra_repr(self) -> str:
        """Show the settings in the printed module."""
        return f"branch={self.branch!r}, teacher={self.teacher!r}, weight={self.weight}"
