"""Maximum concept matching: of the image, of its patches, of both."""

from collections.abc import Mapping
from typing import final

from jaxtyping import Float
from torch import Tensor

from plp.registry import SCORES
from plp.scores.base import Score
from plp.structures import Evidence


class _Matching(Score):
    needs_texts = True

    def __init__(
        self, temperature: float = 1.0, pooled: str = "global", dense: str = "local"
    ) -> None:
        super().__init__()
        if not temperature > 0:
            raise ValueError(f"expected a temperature above 0, got {temperature}")
        self.temperature = temperature
        self.pooled = pooled
        self.dense = dense

    def _of_image(self, evidence: Mapping[str, Evidence]) -> Float[Tensor, " B"]:
        cosines = _branch(evidence, self.pooled).prompt_scores.mean(-1)  # [B, C]
        return -(cosines.float() / self.temperature).softmax(-1).amax(-1)

    def _of_patches(self, evidence: Mapping[str, Evidence]) -> Float[Tensor, " B"]:
        cosines = _branch(evidence, self.dense).patch_scores  # [B, P, C]
        if cosines is None:
            raise ValueError("expected evidence with patch_scores=True, got none")
        return -(cosines.float() / self.temperature).softmax(-1).amax((1, 2))

    def extra_repr(self) -> str:
        """Show the temperature in the printed module."""
        return f"temperature={self.temperature}"


@final
@SCORES.register_module()
class MCM(_Matching):
    """Negative largest class probability of the image (Ming et al. 2022, equation 1).

    Args:
        temperature: Divides cosines before the softmax; 1 in the papers.
        pooled: Name of the branch that looks at the whole image.
        dense: Unused here; takes the same keywords as its siblings.
    """

    def forward(self, evidence: Mapping[str, Evidence]) -> Float[Tensor, " B"]:
        """Score a batch; lower means more in-distribution."""
        return self._of_image(evidence)


@final
@SCORES.register_module()
class LocalMCM(_Matching):
    """Negative largest class probability of any patch (L-MCM, Miyai et al. 2023).

    All patches count, neither selected nor aligned, each by the mean over its prompts.

    Args:
        temperature: Divides cosines before the softmax; 1 in the papers.
        pooled: Unused here; takes the same keywords as its siblings.
        dense: Name of the branch that looks at patches.
    """

    needs_patches = True

    def forward(self, evidence: Mapping[str, Evidence]) -> Float[Tensor, " B"]:
        """Score a batch; lower means more in-distribution."""
        return self._of_patches(evidence)


@final
@SCORES.register_module()
class GlobalLocalMCM(_Matching):
    """Sum of `MCM` and `LocalMCM` (GL-MCM, Miyai et al. 2023, with weight 1).

    Args:
        temperature: Divides cosines before the softmax; 1 in the papers.
        pooled: Name of the branch that looks at the whole image.
        dense: Name of the branch that looks at patches.
    """

    needs_patches = True

    def forward(self, evidence: Mapping[str, Evidence]) -> Float[Tensor, " B"]:
        """Score a batch; lower means more in-distribution."""
        return self._of_image(evidence) + self._of_patches(evidence)


def _branch(evidence: Mapping[str, Evidence], name: str) -> Evidence:
    if name not in evidence:
        raise ValueError(f"expected a branch {name!r} to score, got {', '.join(evidence)}")
    return evidence[name]
