"""The contract of an out-of-distribution score."""

from abc import abstractmethod
from collections.abc import Mapping

from jaxtyping import Float
from torch import Tensor

from plp.reader import EvidenceReader
from plp.structures import Evidence


class Score(EvidenceReader):
    """Says how far an image is from all classes. Lower means more in-distribution.

    A tool that builds scores for a learner supplies what their signatures name: `logit_scale` (the
    factor on class scores the model was trained with), `logit_bias` (likewise), `temperature`, and
    `pooled` and `dense`, the branches that look at the whole image and at patches. What a score of
    patches or of pairs needs is in the evidence only if it was asked for, by
    `learner.evidence(images, **plp.reader.asked_for([score]))`. Tools leave out a score whose
    branch has no patches, or no pairs.

    Attributes:
        needs_texts: Whether it is of cosines with texts, so that a backbone without texts has no
            such score.
        needs_bias: Whether it is of logits whose level means something: of a backbone with a logit
            bias, trained with a sigmoid loss.
    """

    needs_texts: bool = False
    needs_bias: bool = False

    @abstractmethod
    def forward(self, evidence: Mapping[str, Evidence]) -> Float[Tensor, " B"]:
        """Score a batch from what the branches say about it, by branch name.

        Raises:
            ValueError: if the evidence lacks a branch, or patches, that the score needs.
        """
