"""Keep learned texts near those of a teacher (KgCoOp, PromptSRC, TCP)."""

from typing import Literal, final

from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from plp.errors import ConfigError
from plp.losses.base import LossInputs, LossTerm, named
from plp.losses.distances import Distance, check_anchor, distance
from plp.registry import LOSSES


@final
@LOSSES.register_module()
class TextAnchor(LossTerm):
    """`weight * mean over classes and prompts of a distance from the teacher's text`.

    With 'cosine', 1 - cos: Yao et al. 2023, Knowledge-guided context optimization, equation 4, in
    the form of the published code: for texts of length one, half of the squared distance in the
    paper, at the same weight. With 'l1', Khattak et al. 2023, PromptSRC, equation 3.

    Args:
        branch: The branch whose texts are learned.
        teacher: The reference whose texts they should stay near; with several templates, their mean
            is the teacher.
        weight: Published with KgCoOp and TCP 8, with PromptSRC 25.
        distance: 'cosine', or 'l1', the mean over the entries of the text features too.
        templates: Whether the teacher's templates are 'normalized' before their mean, or
            averaged 'raw', as the tower yields them (PromptSRC).
    """

    def __init__(
        self,
        branch: str = "global",
        teacher: str = "zero_shot",
        weight: float = 8.0,
        distance: Distance = "cosine",
        templates: Literal["normalized", "raw"] = "normalized",
    ) -> None:
        super().__init__()
        check_anchor(weight, distance)
        if templates not in ("normalized", "raw"):
            raise ConfigError(f"expected templates 'normalized' or 'raw', got {templates!r}")
        self.branch = branch
        self.teacher = teacher
        self.read_branches, self.read_references = (branch,), (teacher,)
        self.weight = weight
        self.distance = distance
        self.templates = templates

    def forward(self, inputs: LossInputs) -> Float[Tensor, ""]:
        """Measure how far texts have moved from the teacher's."""
        text = named(inputs.texts, self.branch, "texts of a branch")
        teacher = named(inputs.texts, self.teacher, "texts of a reference").detach()
        if self.templates == "normalized":
            teacher = F.normalize(teacher, dim=-1)
        return self.weight * distance(text, teacher.mean(dim=-2, keepdim=True), self.distance)

    def extra_repr(self) -> str:
        """Show the settings in the printed module."""
        return (
            f"branch={self.branch!r}, teacher={self.teacher!r}, weight={self.weight}, "
            f"distance={self.distance!r}, templates={self.templates!r}"
        )
