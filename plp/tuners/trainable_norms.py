"""Weights and biases of the towers' norms, learned."""

from collections.abc import Sequence
from typing import Literal, final

from torch import Tensor, nn

from plp.backbones.base import Backbone
from plp.registry import TUNERS
from plp.towers.points import TowerPoints
from plp.tuners.base import TextContext, Tuner
from plp.tuners.places import Side, Stack, chosen, sides_of, spelt_places, stacks_of, stages_of


@final
@TUNERS.register_module()
class TrainableNorms(Tuner):
    """Learns weight and bias of norms, from the tower's own on.

    The first stage of Farina et al., 2SFS, arXiv 2503.11609. Of batch norms (the lite backbone's
    image tower) weight and bias are learned, and the statistics stay what they are.

    Args:
        backbone: The frozen model; supplied when a learner is built, not kept.
        towers: 'image', 'text' or 'both'.
        norms: Which norms, by name within a block ('norm1', 'norm2', or a family's own path) or by
            whole name ('norm_pre', 'norm_post'); `*` stands for anything. Each must be in each of
            the towers.
        blocks: Numbers of blocks, -1 the last; None for all.
        learned_in: Stages of training in which they are learned; None for all.

    Shape:
        `text_norm_weight` [L, M, W] over L blocks and M norms in the order of `norms`, where all
        have one width; otherwise `text_norm_weight_PART` [L, W] for each, see `stacks_of`.
        `text_norm_bias` where norms have one; `image_norm_weight`, `image_norm_bias` likewise.

    Raises:
        ConfigError: for a norm or block that a tower does not have, with those it has.
    """

    def __init__(
        self,
        backbone: Backbone,
        towers: Literal["image", "text", "both"] = "both",
        norms: Sequence[str] = ("norm1", "norm2"),
        blocks: Sequence[int] | None = None,
        learned_in: Sequence[int] | None = None,
    ) -> None:
        super().__init__()
        sides = sides_of(towers)
        self.acts_on_images, self.acts_on_texts = "image" in sides, "text" in sides
        self.learned_in = stages_of(learned_in)
        self._stacks: dict[Side, dict[str, list[Stack]]] = {}
        for side in sides:
            known = backbone.inside(side).norms()
            places = chosen(known, norms, blocks, f"norms of the {side} tower")
            self._stacks[side] = {}
            for kind in ("weight", "bias"):
                values = {
                    place.name: parameter.detach().float()
                    for place in places
                    if (parameter := known[place.name]._parameters.get(kind)) is not None
                }
                own = [place for place in places if place.name in values]
                shapes = {name: tuple(value.shape) for name, value in values.items()}
                self._stacks[side][kind] = stacks_of(own, shapes) if own else []
                for stack in self._stacks[side][kind]:
                    start = stack.stacked(values).clone()
                    self.register_parameter(
                        f"{side}_norm_{kind}{stack.suffix}", nn.Parameter(start)
                    )

    def image_points(self) -> TowerPoints:
        """Return what takes the place of the image tower's weights."""
        return self._points("image")

    def text_points(self, texts: TextContext) -> TowerPoints:
        """Return what takes the place of the text tower's weights."""
        return self._points("text")

    @property
    def places(self) -> dict[str, list[str]]:
        """Names of the norms by tower, in the order of the parameters."""
        return {
            side: [name for stack in kinds["weight"] for name in stack.names]
            for side, kinds in self._stacks.items()
        }

    def _points(self, side: Side) -> TowerPoints:
        weights: dict[str, Tensor] = {}
        for kind, stacks in self._stacks[side].items():
            for stack in stacks:
                tensor = self.get_parameter(f"{side}_norm_{kind}{stack.suffix}")
                weights |= {f"{n}.{kind}": part for n, part in stack.parts(tensor).items()}
        return TowerPoints(weights=weights)

    def extra_repr(self) -> str:
        """Show the settings in the printed module."""
        return ", ".join(spelt_places(names, side, "norms") for side, names in self.places.items())
