"""Updates of matrices that say what is wrong with them: whose they are, where, and which width."""

from collections.abc import Mapping

from torch import Tensor

from plp.errors import ConfigError
from plp.towers.low_rank import LowRankUpdate
from plp.towers.parts import Matrix
from plp.towers.points import TowerPoints, Update


def checked_updates(points: TowerPoints, matrices: Mapping[str, Matrix]) -> dict[str, Update]:
    """Return the updates of a pass, by name of the matrix, which refuse widths that do not fit.

    Low-rank ones are looked at now and stay what they are; what others yield, when they are called.

    Raises:
        ConfigError: for a low-rank update of other widths, naming tuner and matrix.
    """
    found: dict[str, Update] = {}
    for name, update in points.updates.items():
        shape, owner = matrices[name].shape, points.owners.get(name, "")
        if isinstance(update, LowRankUpdate):
            own = update.up.shape[0], update.down.shape[1]
            if own != shape:
                raise ConfigError(_told(name, owner, "a low-rank update of", shape, own))
            found[name] = update
        else:
            found[name] = _checked(update, name, owner, shape)
    return found


def _checked(update: Update, name: str, owner: str, shape: tuple[int, int]) -> Update:
    def run(x: Tensor) -> Tensor:
        found = update(x)
        if found.shape[-1:] != (shape[0],):
            raise ConfigError(
                f"{_who(owner)}the update of {name!r} takes [..., {shape[1]}] and must yield "
                f"[..., {shape[0]}], got {list(found.shape)} of {list(x.shape)}"
            )
        return found

    return run


def _told(name: str, owner: str, what: str, wanted: tuple[int, int], own: tuple[int, int]) -> str:
    return (
        f"{_who(owner)}expected {what} {name!r} to be of the matrix's shape {list(wanted)} "
        f"(up [{wanted[0]}, R], down [R, {wanted[1]}]), got {list(own)}"
    )


def _who(owner: str) -> str:
    return f"tuner {owner}: " if owner else ""
