"""Where the matrices and norms of a tower lie in a library's modules, and what they are called."""

from typing import Any, NamedTuple

from torch import Tensor, nn
from torch.nn.utils.parametrize import is_parametrized

from plp.errors import ConfigError


class Matrix(NamedTuple):
    """A matrix in a library's module.

    Attributes:
        module: The module that holds it.
        weight: Its name there.
        bias: Name of what is added to its product there; None for nothing.
        part: 0 query, 1 key or 2 value, where it is a third of the rows; None for all of them.
        transposed: Whether it lies there as [in, out], and not as [out, in].
    """

    module: nn.Module
    weight: str = "weight"
    bias: str | None = "bias"
    part: int | None = None
    transposed: bool = False

    @property
    def shape(self) -> tuple[int, int]:
        """Width of what it yields, and of what it reads."""
        rows, columns = getattr(self.module, self.weight).shape
        if self.transposed:
            rows, columns = columns, rows
        return (rows if self.part is None else rows // 3), columns

    def rows(self, tensor: Tensor) -> Tensor:
        """Return its rows of the weight, or of the bias, that it is a part of."""
        return tensor if self.part is None else tensor.chunk(3)[self.part]


def require_plain(module: Any, *kinds: type[nn.Module]) -> Any:
    """Return a module whose matrices plp multiplies with itself, if it is what it looks like.

    Raises:
        ConfigError: for a wrapper (peft's), whose work would be skipped without a word.
    """
    kind = type(module)
    # A parametrised module's matrix is computed when it is asked for: nothing is skipped.
    if kind in kinds or is_parametrized(module):
        return module
    expected = " or ".join(known.__name__ for known in kinds)
    raise ConfigError(
        f"expected attention of the type {expected}, got {kind.__module__}.{kind.__qualname__}: "
        "plp multiplies with its matrices and would skip what was wrapped around them. Merge it "
        "into the weights (peft: merge_and_unload()), or let plp add the update (TowerPoints)."
    )
