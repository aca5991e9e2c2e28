"""What acts on the text tower while a learner's prompts are encoded."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from jaxtyping import Int
from torch import Tensor, nn

from plp.towers.points import TowerPoints


class Acting(NamedTuple):
    """What acts on the text tower.

    Attributes:
        points: Returns it for texts of some classes; None where nothing does.
        parameters: What it is learned by.
    """

    points: Callable[[Int[Tensor, " c"]], TowerPoints | None]
    parameters: Sequence[nn.Parameter]

    @property
    def learned(self) -> list[nn.Parameter]:
        """The parameters that take gradient."""
        return [one for one in self.parameters if one.requires_grad]


NOTHING = Acting(lambda _: None, ())
