"""The contract of a loss term."""

from abc import abstractmethod
from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple, TypeVar

from jaxtyping import Float, Int
from torch import Tensor

from plp.errors import ConfigError
from plp.reader import EvidenceReader
from plp.structures import Evidence, ImageFeatures

Found = TypeVar("Found")


class LossInputs(NamedTuple):
    """What a loss term may look at.

    Attributes:
        evidence: What each branch says about the batch, by name.
        texts: Encoded prompts of branches and references by name, not normalised: of a reference
            frozen (a teacher), of a branch with gradient.
        labels: Class indices.
        logit_scale: Factor on cosines.
        features: What the towers yield about the images; `features.untuned` is the frozen tower's,
            for terms that say `needs_frozen_images`.
        teachers: What the frozen references that terms ask for say about the batch, by name.
    """

    evidence: Mapping[str, Evidence]
    texts: Mapping[str, Float[Tensor, "..."]]
    labels: Int[Tensor, " B"]
    logit_scale: Float[Tensor, ""]
    features: ImageFeatures | None = None
    teachers: Mapping[str, Evidence] = MappingProxyType({})


class LossTerm(EvidenceReader):
    """Adds one number to the loss of a learner. A weight, if it has one, is its own.

    Attributes:
        needs_frozen_images: Whether it compares with the image tower as it is (`features.untuned`),
            which costs a pass of its own, without a graph, where tuners act on images.
        scored_references: Names of the references whose evidence it reads, see
            `LossInputs.teachers`. Others are not scored in training.
        read_branches: Names of the branches it reads anything of.
        read_references: Names of the references it reads anything of, texts or evidence.
    """

    needs_frozen_images: bool = False
    scored_references: tuple[str, ...] = ()
    read_branches: tuple[str, ...] = ()
    read_references: tuple[str, ...] = ()

    @abstractmethod
    def forward(self, inputs: LossInputs) -> Float[Tensor, ""]:
        """Return the term, weight included."""


def named(found: Mapping[str, Found], name: str, what: str) -> Found:
    """Look a branch or reference up.

    Raises:
        ConfigError: naming those available.
    """
    if name not in found:
        raise ConfigError(f"expected {what} {name!r}. Available: {', '.join(found) or 'none'}")
    return found[name]
