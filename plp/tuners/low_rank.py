"""Low-rank updates of matrices (LoRA)."""

import math
from collections.abc import Mapping, Sequence
from typing import Literal, final

import torch
from torch import nn

from plp.backbones.base import Backbone
from plp.checks import check_choice, check_integer, is_number
from plp.errors import ConfigError
from plp.registry import TUNERS
from plp.towers.low_rank import LowRankUpdate, MergedWeights
from plp.towers.points import TowerPoints
from plp.tuners.base import TextContext, Tuner
from plp.tuners.places import Side, Stack, chosen, sides_of, spelt_places, stacks_of, stages_of

Scaling = Literal["alpha/r", "alpha/sqrt(r)"]


@final
@TUNERS.register_module()
class LowRank(Tuner):
    r"""`W x + b` becomes `(W + s B A) x + b` for matrices of the towers' blocks.

    Hu et al., LoRA, arXiv 2106.09685, eq. 3; on both towers of CLIP: Zanella and Ben Ayed,
    CLIP-LoRA, arXiv 2405.18541. A starts uniform in +-1/sqrt(I) (Kaiming with a = sqrt 5), B at
    zero, so that the towers start as they are, bit for bit.

    Without gradient, in evaluation mode, `W + s B A` is multiplied with instead: made once in
    float32 of the tower's own W, which stays as it is, and kept until A or B changes.

    Args:
        backbone: The frozen model; supplied when a learner is built, not kept.
        towers: 'image', 'text' or 'both'.
        matrices: Which matrices, by name within a block ('q', 'k', 'v', 'o', 'fc1', 'fc2', or a
            family's own path) or by whole name ('projection'); `*` stands for anything. Each must
            be in each of the towers.
        blocks: Numbers of blocks, -1 the last; None for all.
        r: R, the rank; 0 for none.
        alpha: Numerator of the scale s.
        scaling: 'alpha/r' as LoRA, 'alpha/sqrt(r)' as CLIP-LoRA's code and rank-stabilised LoRA.
        dropout: Rate, in training, on what the path reads; drawn for each matrix on its own.
        merge: Whether to multiply with the merged matrix where there is no gradient.
        learned_in: Stages of training in which it is learned; None for all.

    Shape:
        `text_A` [L, M, R, I] and `text_B` [L, M, O, R] over L blocks and M matrices in the order
        of `matrices`, where all have one shape; otherwise `text_A_PART` [L, R, I] for each, see
        `stacks_of`. `image_A` and `image_B` likewise.

    Raises:
        ConfigError: for a matrix or block that a tower does not have, with those it has.
    """

    def __init__(
        self,
        backbone: Backbone,
        towers: Literal["image", "text", "both"] = "both",
        matrices: Sequence[str] = ("q", "k", "v"),
        blocks: Sequence[int] | None = None,
        r: int = 2,
        alpha: float = 1.0,
        scaling: Scaling = "alpha/r",
        dropout: float = 0.0,
        merge: bool = True,
        learned_in: Sequence[int] | None = None,
    ) -> None:
        super().__init__()
        _check(r, alpha, scaling, dropout)
        sides = sides_of(towers)
        self.r, self.alpha, self.scaling, self.dropout = r, float(alpha), scaling, float(dropout)
        self.scale = _scale(r, self.alpha, scaling)
        self.merge = merge
        self.learned_in = stages_of(learned_in)
        self.acts_on_images, self.acts_on_texts = (
            "image" in sides and r > 0,
            "text" in sides and r > 0,
        )
        self._stacks: dict[Side, list[Stack]] = {}
        self._merged: dict[Side, MergedWeights] = {side: MergedWeights() for side in sides}
        for side in sides:
            known = backbone.inside(side).matrices()
            places = chosen(known, matrices, blocks, f"matrices of the {side} tower")
            shapes = {place.name: known[place.name].shape for place in places}
            _check_rank(r, shapes)
            self._stacks[side] = stacks_of(places, shapes)
            for stack in self._stacks[side] if r else []:
                self._add(side, stack, shapes[stack.names[0]])

    def _add(self, side: Side, stack: Stack, shape: tuple[int, int]) -> None:
        rows, columns = shape
        bound = 1 / math.sqrt(columns)
        down = torch.empty(*stack.leading, self.r, columns).uniform_(-bound, bound)
        up = torch.zeros(*stack.leading, rows, self.r)
        self.register_parameter(f"{side}_A{stack.suffix}", nn.Parameter(down))
        self.register_parameter(f"{side}_B{stack.suffix}", nn.Parameter(up))

    def image_points(self) -> TowerPoints:
        """Return the updates of the image tower's matrices."""
        return self._points("image")

    def text_points(self, texts: TextContext) -> TowerPoints:
        """Return the updates of the text tower's matrices."""
        return self._points("text")

    def train(self, mode: bool = True) -> "LowRank":
        """Switch the mode, and forget merged weights: hooks that swap parameters around an
        evaluation (EMAHook of mmengine) write through `.data`, which no version counter sees.
        """
        for merged in self._merged.values():
            merged.forget()
        return super().train(mode)

    @property
    def places(self) -> dict[str, list[str]]:
        """Names of the matrices by tower, in the order of the parameters."""
        return {
            side: [name for stack in stacks for name in stack.names]
            for side, stacks in self._stacks.items()
        }

    def _points(self, side: Side) -> TowerPoints:
        if not self.r:
            return TowerPoints()
        tracing = torch.compiler.is_compiling()  # where a tensor has no address to compare
        merging = self.merge and not (self.training or torch.is_grad_enabled() or tracing)
        merged = self._merged[side] if merging else None
        dropout = self.dropout if self.training else 0.0
        updates = {}
        for stack in self._stacks[side]:
            down, up = (
                stack.parts(self.get_parameter(f"{side}_{letter}{stack.suffix}")) for letter in "AB"
            )
            for name in stack.names:
                updates[name] = LowRankUpdate(down[name], up[name], self.scale, dropout, merged)
        return TowerPoints(updates=updates)

    def extra_repr(self) -> str:
        """Show the settings in the printed module."""
        counts = ", ".join(
            spelt_places(names, side, "matrices") for side, names in self.places.items()
        )
        return (
            f"{counts}, r={self.r}, alpha={self.alpha:g}, scaling={self.scaling!r}, "
            f"dropout={self.dropout:g}"
        )


def _check_rank(r: int, shapes: Mapping[str, tuple[int, ...]]) -> None:
    """Refuse a rank that no matrix can have; a smaller one beside larger ones may get too much."""
    name, most = max(((n, min(shape)) for n, shape in shapes.items()), key=lambda pair: pair[1])
    if r > most:
        raise ConfigError(
            f"expected r, the rank, from 0 to {most}, the smaller side of {name}, got {r}: an "
            "update has no larger rank than its matrix"
        )


def _scale(r: int, alpha: float, scaling: Scaling) -> float:
    if not r:
        return 0.0
    return alpha / (r if scaling == "alpha/r" else math.sqrt(r))


def _check(r: object, alpha: object, scaling: object, dropout: float) -> None:
    check_integer("r, the rank,", r, least=0)
    if not is_number(alpha, -math.inf) or alpha == -math.inf:
        raise ConfigError(f"expected alpha to be a finite number, got {alpha!r}")
    check_choice("scaling", scaling, ("alpha/r", "alpha/sqrt(r)"))
    if not is_number(dropout) or dropout >= 1:
        raise ConfigError(f"expected dropout to be a number >= 0 and < 1, got {dropout!r}")
