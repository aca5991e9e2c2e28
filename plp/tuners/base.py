"""The contract of a tuner: something learned that acts inside a frozen tower."""

from collections.abc import Callable
from typing import NamedTuple

from jaxtyping import Float, Int
from torch import Tensor, nn

from plp.structures import ImageFeatures
from plp.towers.points import TowerPoints


class TextContext(NamedTuple):
    """What a tuner may know of the texts that its points act on.

    Attributes:
        classes: Class index of each class of texts, in the order they are encoded; on the CPU.
            Many classes are encoded in parts, so these need not be all of them.
        reference: Returns the texts of a reference by its name: those of the frozen tower about all
            C classes, [C, N, E], not normalised, without gradient.
    """

    classes: Int[Tensor, " c"]
    reference: Callable[[str], Float[Tensor, "C N E"]]


class Tuner(nn.Module):
    """Owns what is learned inside the towers, and says where it acts (`TowerPoints`).

    The towers stay frozen and shared: references, and teachers of loss terms, see them as they are.
    A tuner keeps names, numbers and parameters, never a module of the backbone.

    A sub-class overrides `image_points`, `text_points` or both. Keywords of its `__init__` that the
    learner supplies where they are named and left out of the config: `backbone`, `prompts` (of the
    branches, by name) and `num_classes`.

    Attributes:
        acts_on_images: Whether `image_points` returns anything.
        acts_on_texts: Whether `text_points` does.
        acts_on_features: Whether `on_features` changes anything. Features of the frozen tower may
            then be kept, for it comes behind it.
        image_passes: How often each image goes through its tower, with other points each time, see
            `image_points_of`.
        supports_new_classes: Whether it can act on texts of classes it was not trained with.
        learned_in: Stages of training (`train_cfg.stages`), from 0, in which it is learned; None
            for all. In the others it acts as it is.
        read_references: Names of the references whose texts `text_points` reads.
    """

    acts_on_images: bool = False
    acts_on_texts: bool = False
    acts_on_features: bool = False
    image_passes: int = 1
    supports_new_classes: bool = True
    learned_in: tuple[int, ...] | None = None
    read_references: tuple[str, ...] = ()

    @property
    def places(self) -> dict[str, list[str]]:
        """Names of what its parameters belong to, by tower, where their shapes do not say it.

        A checkpoint keeps them, and one of other places is refused.
        """
        return {}

    def image_points(self) -> TowerPoints:
        """Return what acts on the image tower; called for each pass.

        Tensors may require gradient. In evaluation mode nothing in it is random.
        """
        return TowerPoints()

    def image_points_of(self, number: int) -> TowerPoints:
        """Return what acts on the image tower in pass `number`, from 0; the same in all if it is
        not overridden. All passes share what lies in front of block 0.
        """
        return self.image_points()

    def text_points(self, texts: TextContext) -> TowerPoints:
        """Return what acts on the text tower; called for each part of the classes.

        Called again in the backward pass where texts are encoded in parts (`text_chunk`): it must
        return the same, but for random numbers of torch's global generator, which are put back.
        Gradient goes to the tuner's own parameters, and to those of prompts.

        Args:
            texts: What the texts are of.
        """
        return TowerPoints()

    def on_features(self, features: ImageFeatures) -> ImageFeatures:
        """Return what becomes of the image tower's features; references see them as they were."""
        return features

    def loss(self) -> Float[Tensor, ""] | None:
        """Return what it adds to the training loss, weight included; None for nothing."""
        return None

    def describe(self) -> str:
        """Return what it does in a line, for the log and the result."""
        return f"{type(self).__name__}({self.extra_repr()})"
