"""What loss terms share that hold class probabilities against a frozen teacher's."""

from jaxtyping import Float
from torch import Tensor

from plp.checks import check_number
from plp.losses.base import LossInputs, LossTerm, named


class TeacherTerm(LossTerm):
    """Compares a branch's logits, divided by a temperature, with those of a reference.

    Args:
        branch: The branch that learns.
        teacher: The reference it is compared with.
        temperature: T.
        weight: Of the term.

    Raises:
        ConfigError: for a temperature or weight out of range.
    """

    needs_frozen_images = True

    def __init__(self, branch: str, teacher: str, temperature: float, weight: float) -> None:
        super().__init__()
        check_number("temperature", temperature, above=True)
        check_number("weight", weight)
        self.branch = branch
        self.teacher = teacher
        self.temperature = temperature
        self.weight = weight
        self.scored_references = self.read_references = (teacher,)
        self.read_branches = (branch,)

    def logits(self, inputs: LossInputs) -> tuple[Float[Tensor, "B C"], Float[Tensor, "B C"]]:
        """Return logits / T of the branch, and of the teacher without gradient."""
        factor = inputs.logit_scale / self.temperature
        student = named(inputs.evidence, self.branch, "evidence of a branch").scores
        teacher = named(inputs.teachers, self.teacher, "evidence of a reference").scores.detach()
        return factor * student.float(), factor * teacher.float()

    def extra_repr(self) -> str:
        """Show the settings in the printed module."""
        return (
            f"branch={self.branch!r}, teacher={self.teacher!r}, temperature={self.temperature}, "
            f"weight={self.weight}"
        )
