"""Scores of a model whose every class is a question of its own: those of a sigmoid loss."""

from typing import final

from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from plp.branches.fusion import Fusion
from plp.registry import SCORES
from plp.scores.logits import LogitScore


class SigmoidScore(LogitScore):
    """A score of logits whose level means something.

    z = `logit_scale` * class scores + `logit_bias`; with `fusion='sum'` the bias of each branch.
    Only models trained with a sigmoid loss have a bias (SigLIP); others have no such score.

    Args:
        logit_scale: Factor on class scores, above 0.
        logit_bias: Added to them.
        branch: Name of the one branch to score; None for the fusion of all, the prediction.
        fusion: 'mean' or 'sum' of the branches' scores, as in the learner.
    """

    needs_bias = True

    def __init__(
        self,
        logit_scale: float,
        logit_bias: float,
        branch: str | None = None,
        fusion: Fusion = "mean",
    ) -> None:
        super().__init__(logit_scale, branch, fusion, logit_bias)


@final
@SCORES.register_module()
class MaxSigmoid(SigmoidScore):
    """Negative largest sigmoid probability: -max sigmoid(z); ranks images as `MaxLogit` does.

    Example:
        >>> import torch
        >>> from plp.structures import Evidence
        >>> cosines = torch.tensor([[0.3, 0.1], [0.2, 0.2]])
        >>> evidence = {'global': Evidence(cosines, cosines[..., None], cosines[..., None])}
        >>> MaxSigmoid(logit_scale=100.0, logit_bias=-30.0)(evidence)
        tensor([-5.0000e-01, -4.5398e-05])
    """

    def of_logits(self, logits: Float[Tensor, "B C"]) -> Float[Tensor, " B"]:
        """Return the negative largest probability."""
        return -logits.amax(-1).sigmoid()


@final
@SCORES.register_module()
class JointEnergy(SigmoidScore):
    """Energy of all classes, each by itself (Wang et al. 2021, equation 5): -sum log(1 + exp z).

    Example:
        >>> import torch
        >>> from plp.structures import Evidence
        >>> cosines = torch.tensor([[0.3, 0.1], [0.2, 0.2]])
        >>> evidence = {'global': Evidence(cosines, cosines[..., None], cosines[..., None])}
        >>> JointEnergy(logit_scale=10.0, logit_bias=-3.0)(evidence)
        tensor([-0.8201, -0.6265])
    """

    def of_logits(self, logits: Float[Tensor, "B C"]) -> Float[Tensor, " B"]:
        """Return the negative sum of the classes' energies."""
        return -F.softplus(logits).sum(-1)
