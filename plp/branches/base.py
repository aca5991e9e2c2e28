"""The contract of a branch: one line of evidence for a class."""

from abc import abstractmethod
from collections.abc import Callable

from jaxtyping import Float, Int
from torch import Tensor, nn

from plp.prompts.base import Prompt
from plp.structures import Evidence, ImageFeatures

ProjectDense = Callable[[Float[Tensor, "B P W"]], Float[Tensor, "B P E"]]


class Branch(nn.Module):
    """Compares image features with the texts of its own prompts.

    Attributes:
        prompt: The prompts whose texts the branch compares images with.
        stream: The dense stream it needs, None if it looks at the pooled feature only.
    """

    prompt: Prompt
    stream: str | None = None

    @abstractmethod
    def forward(
        self,
        features: ImageFeatures,
        text: Float[Tensor, "C N E"],
        project_dense: ProjectDense,
        patch_scores: bool = False,
    ) -> Evidence:
        """Score every class for every image.

        Args:
            features: What the backbone saw.
            text: Encoded prompts of this branch, normalised to length one.
            project_dense: The backbone's map from dense features into the joint space.
            patch_scores: Also return the cosines of single patches, for scores that need them.
        """

    @abstractmethod
    def loss(
        self, evidence: Evidence, labels: Int[Tensor, " B"], logit_scale: Float[Tensor, ""]
    ) -> Float[Tensor, ""]:
        """Training loss of the evidence; the temperature is applied here, once."""
