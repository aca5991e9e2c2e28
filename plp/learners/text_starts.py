"""Fixed prompts in front of the first block of the text tower that anything acts on."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, cast

import torch
from jaxtyping import Float
from torch import Tensor

from plp.backbones.base import Backbone
from plp.backbones.tower_backbone import TowerBackbone
from plp.structures import PromptTokens
from plp.towers.points import TowerPoints
from plp.towers.text import TextPrefix
from plp.towers.text_layout import own_by_class
from plp.towers.tower import BlockTower

# 130 thousand tokens of 512 floats: the texts of 13 thousand classes, with prompts of ten tokens.
_MOST_BYTES = 256 * 2**20


class _Start(NamedTuple):
    """Texts of some classes in front of a block.

    Attributes:
        shape: What of the points decides how the texts lie.
        parts: The texts, part by part.
    """

    shape: tuple[Any, ...]
    parts: list[TextPrefix]


class TextStarts:
    """Keeps the texts of one fixed prompt from step to step, as far as no tuner reaches them.

    In front of the first block that a tuner acts on there is no gradient, and nothing that changes:
    a step begins with the tokens that enter it.

    Args:
        key: What the texts depend on: weights, device, precision.
        most_bytes: What may be kept; texts beyond it are encoded from their tokens.
    """

    def __init__(self, key: Any, most_bytes: int = _MOST_BYTES) -> None:
        self.key = key
        self._most = most_bytes
        self._taken = 0
        self._kept: dict[tuple[int, ...], _Start] = {}

    def encode(
        self,
        backbone: Backbone,
        classes: Sequence[int],
        make: Callable[[], Sequence[PromptTokens]],
        points: TowerPoints,
    ) -> list[Float[Tensor, "C n E"]] | None:
        """Encode texts of some classes from where they are kept; None where nothing can be kept.

        Args:
            backbone: The frozen model.
            classes: The classes.
            make: Makes their prompts, part by part; called where they are not kept yet.
            points: What acts on the tower.
        """
        first = first_text_block(backbone, points)
        if not first:
            return None
        backbone = cast(TowerBackbone, backbone)
        shape = (
            first,
            *((group.at, _of_classes(group.before.values())) for group in points.tokens),
        )
        place = tuple(classes)
        start = self._kept.get(place)
        if start is None or start.shape != shape:
            if self._taken >= self._most:
                return None
            with torch.no_grad():
                start = _Start(shape, [backbone.start_text(p, first, points) for p in make()])
            self._taken += sum(p.tokens.numel() * p.tokens.element_size() for p in start.parts)
            self._kept[place] = start
        return [backbone.text_tower.resume(part, points) for part in start.parts]


def first_text_block(backbone: Backbone, points: TowerPoints) -> int:
    """Return the first block of the text tower that points reach; 0 also where there are none."""
    if not isinstance(backbone, TowerBackbone):
        return 0
    inside = backbone.inside("text")
    return inside.first_reached(points) if isinstance(inside, BlockTower) else 0


def _of_classes(tokens: Any) -> bool:
    return any(own_by_class(each) for each in tokens)
