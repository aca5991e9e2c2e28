"""What descriptions of towers share: named parts, and points where something acts."""

import copy
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import ClassVar, TypeVar, cast

import torch
from torch import Tensor, nn

from plp.errors import ConfigError, did_you_mean
from plp.towers import parts
from plp.towers.block import Block
from plp.towers.checked_update import checked_updates
from plp.towers.low_rank import LowRankUpdate, MergedWeights, merged_changes, split_merged
from plp.towers.parts import Matrix
from plp.towers.points import NOTHING, Residual, TowerPoints, Update
from plp.towers.substitute import substitute
from plp.towers.weight_changes import weight_changes

_M = TypeVar("_M", bound=nn.Module)
_P = TypeVar("_P")
_T = TypeVar("_T", bound="NamedTower")
_B = TypeVar("_B", bound="BlockTower")
_PLACES = ("attention", "mlp", "block")
# What lies behind the last block; whatever else lies outside the blocks is in front of them.
_BEHIND = ("norm_post", "projection", "fc_norm", "head", "attn_pool", "pooler", "mlp")


class NamedTower(ABC):
    """Modules of a library whose matrices and norms have the same names in every family.

    Attributes:
        roots: Names of the attributes that hold the library's modules.
        apart: Children of these that belong to another tower.
        updates: What is added to products that are no modules, by name.
    """

    roots: ClassVar[tuple[str, ...]]
    apart: ClassVar[tuple[str, ...]] = ()
    updates: Mapping[str, Update] = NOTHING

    @abstractmethod
    def layers(self) -> Sequence[nn.Module]:
        """Return the library's module of each block."""

    def projection(self) -> Matrix | None:
        """Return the joint projection where it is a bare parameter; None where it is a module."""
        return None

    def matrices(self) -> dict[str, Matrix]:
        """Return every matrix that an update may act on, by name.

        In block j 'blocks.j.q', 'k', 'v', 'o', 'fc1', 'fc2'; 'projection' behind the last; what a
        family has beside these by its own path.
        """
        found: dict[str, Matrix] = {}
        for j, layer in enumerate(self.layers()):
            for path, linear in self._products(layer):
                _enter(found, f"blocks.{j}.", path, parts.name_in_block, Matrix(linear))
        for path, linear in self._around(parts.called_products):
            _enter(found, "", path, parts.name_around, Matrix(linear))
        bare = self.projection()
        return found if bare is None else {**found, "projection": bare}

    def norms(self) -> dict[str, nn.Module]:
        """Return every norm by name.

        In block j 'blocks.j.norm1' and 'norm2'; 'norm_pre' in front of the first block, 'norm_post'
        behind the last; what a family has beside these by its own path.
        """
        found: dict[str, nn.Module] = {}
        for j, layer in enumerate(self.layers()):
            for path, norm in parts.norms(layer):
                _enter(found, f"blocks.{j}.", path, parts.name_in_block, norm)
        for path, norm in self._around(parts.norms):
            _enter(found, "", path, parts.name_around, norm)
        return found

    def first_reached(self, points: TowerPoints) -> int:
        """Return the first block that the points reach: what lies in front of it is frozen.

        The number of blocks where they only reach what lies behind them.
        """
        names = [*points.updates, *points.residuals, *points.weights]
        blocks = [min(group.before) for group in points.tokens]
        for name in names:
            if name.startswith("blocks."):
                blocks.append(int(name.split(".")[1]))
            else:
                blocks.append(len(self.layers()) if name.startswith(_BEHIND) else 0)
        return min(blocks, default=len(self.layers()))

    def at(self: _T, points: TowerPoints | None) -> _T:
        """Return the tower with points acting on it; itself where there are none.

        It shares all modules and weights that nothing acts on, and serves the pass it is made for.

        Raises:
            ConfigError: for a name or a block that the tower does not have, or a weight or update
                of another shape: saying what there is.
        """
        if points is None:
            return self
        self._check(points)
        matrices = self.matrices() if points.updates or points.weights else {}
        parts.require_matrices(points.updates, matrices)
        weights = weight_changes(points.weights, matrices, self.norms() if points.weights else {})
        merged, updates = split_merged(checked_updates(points, matrices), matrices)
        weights |= merged_changes(merged, matrices, weights)
        modules = {
            matrices[name].module: update
            for name, update in updates.items()
            if matrices[name].is_module
        }
        changed = copy.copy(self)
        changed.updates = {
            name: update for name, update in updates.items() if not matrices[name].is_module
        }
        if weights or modules:
            for root in self.roots:
                setattr(changed, root, substitute(getattr(self, root), weights, modules))
        return changed

    def write(self, points: TowerPoints) -> bool:
        """Write points into the modules' own weights, for good; return whether that is possible.

        It is for weights from outside and low-rank updates; nothing is written where there is
        anything else.

        Raises:
            ConfigError: as `at`.
        """
        low_rank = all(isinstance(update, LowRankUpdate) for update in points.updates.values())
        if points.tokens or points.residuals or not low_rank:
            return False
        matrices = self.matrices()
        parts.require_matrices(points.updates, matrices)
        changes = weight_changes(points.weights, matrices, self.norms())
        updates = cast(Mapping[str, LowRankUpdate], points.updates)
        changes |= merged_changes(updates, matrices, changes, MergedWeights())
        for (module, name), value in changes.items():
            module._parameters[name] = nn.Parameter(value.detach().clone(), requires_grad=False)
        return True

    def added(self, name: str, x: Tensor, product: Tensor) -> Tensor:
        """Return the product of a bare matrix and x, with its update."""
        return product + self.updates[name](x) if name in self.updates else product

    @abstractmethod
    def _check(self, points: TowerPoints) -> None:
        """Refuse what cannot act here."""

    def _products(self, layer: nn.Module) -> Iterator[tuple[str, nn.Linear]]:
        """Yield a block's linear layers that an update may act on."""
        return parts.called_products(layer)

    def _around(
        self, walk: Callable[[nn.Module], Iterator[tuple[str, _M]]]
    ) -> Iterator[tuple[str, _M]]:
        """Yield what a walk over modules finds outside the blocks."""
        inside = {module for layer in self.layers() for module in layer.modules()}
        for root in self.roots:
            for path, module in walk(getattr(self, root)):
                if module not in inside and path.split(".")[0] not in self.apart:
                    yield path, module


class BlockTower(NamedTower):
    """A tower that is read block by block, so that something may act between and beside blocks."""

    residuals: Mapping[str, Residual] = NOTHING

    @abstractmethod
    def blocks(self, device: torch.device) -> Sequence[Block]:
        """Return the blocks, in autocast's precision where it is on for the device."""

    def layers(self) -> Sequence[nn.Module]:
        """Return the library's module of each block."""
        return [block.block for block in self._plain_blocks()]

    def matrices(self) -> dict[str, Matrix]:
        """Return every matrix that an update may act on, by name; see `NamedTower`."""
        found = super().matrices()
        for j, block in enumerate(self._plain_blocks()):
            packed = block.packed()
            if packed is None:
                continue
            found = {name: at for name, at in found.items() if at.module is not packed.module}
            for part, name in enumerate("qkv"):
                found[f"blocks.{j}.{name}"] = packed._replace(part=part)
        return found

    def acting_blocks(self, device: torch.device) -> Sequence[Block]:
        """Return the blocks, with what acts on them."""
        blocks = self.blocks(device)
        for name, update in self.updates.items():
            if name.startswith("blocks."):
                _, j, part = name.split(".", 2)
                blocks[int(j)].updates = {**blocks[int(j)].updates, part: update}
        for name, residual in self.residuals.items():
            _, j, place = name.split(".", 2)
            blocks[int(j)].residuals = {**blocks[int(j)].residuals, place: residual}
        return blocks

    def at(self: _B, points: TowerPoints | None) -> _B:
        """Return the tower with points acting on it; see `NamedTower`."""
        changed = super().at(points)
        if points is not None:
            changed.residuals = points.residuals
        return changed

    def _products(self, layer: nn.Module) -> Iterator[tuple[str, nn.Linear]]:
        """Yield all: `Block.output` runs torch's output projection as a module."""
        return parts.products(layer)

    def _plain_blocks(self) -> Sequence[Block]:
        """Return the blocks made of the library's own modules, whatever autocast says."""
        if not torch.is_autocast_enabled("cpu"):  # an empty region cannot be written in a program
            return self.blocks(torch.device("cpu"))
        with torch.autocast("cpu", enabled=False):
            return self.blocks(torch.device("cpu"))

    def _check(self, points: TowerPoints) -> None:
        """Refuse blocks and places that there are not."""
        count = len(self.layers())
        places = [f"blocks.{j}.{place}" for j in range(count) for place in _PLACES]
        for name in points.residuals:
            if name not in places:
                raise ConfigError(
                    f"no place {name!r} for a residual.{did_you_mean(name, places)} There are "
                    f"'blocks.J.attention', 'blocks.J.mlp' and 'blocks.J.block', J from 0 to "
                    f"{count - 1}."
                )
        for group in points.tokens:
            for block in group.before:
                if not 0 <= block < count:
                    raise ConfigError(
                        f"tokens before block {block}: the tower has blocks 0 to {count - 1}"
                    )


def _enter(
    found: dict[str, _P], prefix: str, path: str, name: Callable[[str], str], part: _P
) -> None:
    """Enter a part under plp's name for it, or under its own path where that is taken."""
    short = f"{prefix}{name(path)}"
    found[short if short not in found else f"{prefix}{path}"] = part
