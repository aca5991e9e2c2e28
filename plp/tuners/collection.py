"""The tuners of a learner, by name."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any, Literal, cast

from jaxtyping import Float, Int
from torch import Tensor, nn

from plp.backbones.base import Backbone
from plp.errors import ConfigError
from plp.prompts.base import Prompt
from plp.registry import TUNERS
from plp.structures import ImageFeatures
from plp.towers.points import TowerPoints
from plp.tuners.base import TextContext, Tuner
from plp.tuners.checks import check_tuner
from plp.tuners.joined import joined
from plp.wording import count


class Tuners(nn.ModuleDict):
    """Tuners by name; in a state dict they are `<name>...`.

    Args:
        configs: Tuners, or their configs, by name.
        backbone: The frozen model they act on; not kept.
        prompts: Prompts of the branches, by name of the branch.
        num_classes: C.
        checkpoint_blocks: Whether blocks of the towers that tuners act on are computed again in the
            backward pass: memory of one block instead of all, for a second forward pass.

    Raises:
        ConfigError: for a name that cannot be one, or a backbone that nothing can act inside.
    """

    def __init__(
        self,
        configs: Mapping[str, Tuner | Mapping[str, Any]] | None,
        backbone: Backbone,
        prompts: Mapping[str, Prompt],
        num_classes: int,
        checkpoint_blocks: bool = False,
    ) -> None:
        super().__init__()
        _check(configs, checkpoint_blocks)
        self.checkpoint_blocks = checkpoint_blocks
        for name, config in (configs or {}).items():
            tuner = TUNERS.build_if_config(
                config, backbone=backbone, prompts=prompts, num_classes=num_classes
            )
            check_tuner(name, tuner, backbone)
            self[name] = tuner
            for side in ("image", "text"):
                if getattr(tuner, f"acts_on_{side}s"):
                    _check_side(name, backbone, side)
        _check_passes({name: tuner.image_passes for name, tuner in self.named()})

    def named(self) -> Iterator[tuple[str, Tuner]]:
        """Iterate over names and tuners: `items`, typed."""
        return iter(cast(dict[str, Tuner], self).items())

    @property
    def acts_on_images(self) -> bool:
        """Whether any acts on the image tower."""
        return any(tuner.acts_on_images for _, tuner in self.named())

    @property
    def acts_on_texts(self) -> bool:
        """Whether any acts on the text tower."""
        return any(tuner.acts_on_texts for _, tuner in self.named())

    @property
    def bound_to_classes(self) -> list[str]:
        """Names of those that cannot take new class names."""
        return [name for name, tuner in self.named() if not tuner.supports_new_classes]

    @property
    def places(self) -> dict[str, dict[str, list[str]]]:
        """What the parameters of each tuner belong to, by tower; see `Tuner.places`."""
        return {name: places for name, tuner in self.named() if (places := tuner.places)}

    @property
    def image_passes(self) -> int:
        """How often each image goes through its tower."""
        return max([1, *(tuner.image_passes for _, tuner in self.named())])

    def freeze_for(self, stage: int) -> None:
        """Let those be learned from now on that are learned in this stage of training."""
        for _, tuner in self.named():
            tuner.requires_grad_(tuner.learned_in is None or stage in tuner.learned_in)

    def image_points(self, number: int = 0) -> TowerPoints | None:
        """Return what acts on the image tower in a pass; None for nothing."""
        acting = {n: t.image_points_of(number) for n, t in self.named() if t.acts_on_images}
        return self._joined(acting)

    def text_points(
        self, classes: Int[Tensor, " c"], reference: Callable[[str], Float[Tensor, "C N E"]]
    ) -> TowerPoints | None:
        """Return what acts on the text tower about some classes; None for nothing."""
        context = TextContext(classes, reference)
        acting = {n: t.text_points(context) for n, t in self.named() if t.acts_on_texts}
        return self._joined(acting)

    def on_features(self, features: ImageFeatures) -> ImageFeatures:
        """Return what becomes of image features; those that came stand beside them, as `frozen`."""
        acting = [tuner for _, tuner in self.named() if tuner.acts_on_features]
        found = features
        for tuner in acting:
            found = tuner.on_features(found)
        return found._replace(frozen=features.untuned) if acting else features

    def losses(self) -> dict[str, Float[Tensor, ""]]:
        """Return as `loss_<name>` what tuners add to the loss."""
        found = {name: tuner.loss() for name, tuner in self.named()}
        return {f"loss_{name}": value for name, value in found.items() if value is not None}

    def text_parameters(self) -> list[nn.Parameter]:
        """Return the parameters of those that act on the text tower."""
        return [p for _, tuner in self.named() if tuner.acts_on_texts for p in tuner.parameters()]

    def describe(self) -> list[str]:
        """Return a line per tuner: its settings, the towers it acts on, how much it learns."""
        return [f"{name}: {tuner.describe()}, {_extent(tuner)}" for name, tuner in self.named()]

    def _joined(self, acting: Mapping[str, TowerPoints]) -> TowerPoints | None:
        if not acting:
            return None
        return replace(joined(acting), checkpoint_blocks=self.checkpoint_blocks)


def _extent(tuner: Tuner) -> str:
    """Say where a tuner acts, and how many values it learns."""
    towers = [side for side in ("image", "text") if getattr(tuner, f"acts_on_{side}s")]
    where = [f"{' and '.join(towers)} tower{'s' * (len(towers) > 1)}"] if towers else []
    where += ["image features"] if tuner.acts_on_features else []
    learned = count(sum(p.numel() for p in tuner.parameters()), "learned value")
    return f"on {' and '.join(where) or 'nothing'}: {learned}"


def _check(configs: object, checkpoint_blocks: object) -> None:
    """Refuse tuners that are no dict by name, and names with dots, which separate state names."""
    if not isinstance(checkpoint_blocks, bool):
        raise ConfigError(f"expected checkpoint_blocks True or False, got {checkpoint_blocks!r}")
    if checkpoint_blocks and not configs:
        raise ConfigError(
            "checkpoint_blocks=True computes blocks again that tuners act on, but the model has no "
            "tuners. Leave it out; text_chunk bounds the memory of prompts"
        )
    if configs is None:
        return
    if not isinstance(configs, Mapping) or not all(
        isinstance(tuner, Mapping | Tuner) for tuner in configs.values()
    ):
        raise ConfigError(
            "expected tuners as a dict of tuners by name, tuners=dict(NAME=dict(type=...)), got "
            f"{configs!r}"
        )
    for name in configs:
        if "." in name:
            raise ConfigError(f"a tuner cannot be called {name!r}: no dots")


def _check_passes(passes: Mapping[str, int]) -> None:
    """Refuse tuners that do not agree on how often images are encoded."""
    several = {name: count for name, count in passes.items() if count > 1}
    if len(set(several.values())) > 1:
        raise ConfigError(
            "tuners send each image through its tower as often as they have sets of tokens, and "
            f"must agree; got {several}. Give them as many sets, or leave one out"
        )


def _check_side(name: str, backbone: Backbone, side: Literal["image", "text"]) -> None:
    try:
        backbone.inside(side)
    except ConfigError as error:
        raise ConfigError(f"tuner {name!r} acts on the {side} tower: {error}") from None
