"""Scores of class logits: MSP, maximum logit, energy, entropy."""

from abc import abstractmethod
from collections.abc import Mapping
from typing import final

from jaxtyping import Float
from torch import Tensor

from plp.branches.fusion import Fusion, fused_scores
from plp.registry import SCORES
from plp.scores.base import Score
from plp.structures import Evidence


class LogitScore(Score):
    """A score of class logits z = `logit_scale` * class scores, + `logit_bias` if there is one.

    The class scores are those the learner predicts from: the mean (or the sum, as the learner fuses
    them) of the branches' `scores`, or those of one named branch. `logit_scale` is the factor the
    model was trained with (100 for CLIP) and comes from the learner where a tool builds the score.
    OpenOOD's CLIP logits are raw cosines: `logit_scale=1` is its convention, and MSP, energy and
    entropy are then other scores.

    Args:
        logit_scale: Factor on class scores, above 0.
        branch: Name of the one branch to score; None for the fusion of all, the prediction.
        fusion: How the branches' scores are fused, as in the learner.
        logit_bias: Added to the logits, of a model trained with a sigmoid loss; None for others.
    """

    def __init__(
        self,
        logit_scale: float,
        branch: str | None = None,
        fusion: Fusion = "mean",
        logit_bias: float | None = None,
    ) -> None:
        super().__init__()
        if not logit_scale > 0:
            raise ValueError(f"expected a logit scale above 0, got {logit_scale}")
        if fusion not in ("mean", "sum") and not isinstance(fusion, Mapping):
            raise ValueError(f"expected fusion 'mean', 'sum' or weights by branch, got {fusion!r}")
        self.logit_scale = float(logit_scale)
        self.branch = branch
        self.fusion = fusion
        self.logit_bias = None if logit_bias is None else float(logit_bias)

    def forward(self, evidence: Mapping[str, Evidence]) -> Float[Tensor, " B"]:
        """Score a batch; lower means more in-distribution."""
        logits = self.logit_scale * class_scores(evidence, self.branch, self.fusion).float()
        if self.logit_bias is not None:
            summed = len(evidence) if self.branch is None and self.fusion == "sum" else 1
            logits = logits + summed * self.logit_bias
        return self.of_logits(logits)

    @abstractmethod
    def of_logits(self, logits: Float[Tensor, "B C"]) -> Float[Tensor, " B"]:
        """Score logits; lower means more in-distribution."""

    def extra_repr(self) -> str:
        """Show the scale and the branch in the printed module."""
        scored = f"fusion={self.fusion!r}" if self.branch is None else f"branch={self.branch!r}"
        bias = "" if self.logit_bias is None else f", logit_bias={self.logit_bias}"
        return f"logit_scale={self.logit_scale}, {scored}{bias}"


class TemperedLogitScore(LogitScore):
    """A score of logits divided by a temperature.

    Args:
        logit_scale: Factor on class scores, above 0.
        temperature: Divides the logits, above 0; 1 leaves the model's own probabilities.
        branch: Name of the one branch to score; None for the fusion of all, the prediction.
        fusion: How the branches' scores are fused, as in the learner.
        logit_bias: Added to the logits before, of a model trained with a sigmoid loss.
    """

    def __init__(
        self,
        logit_scale: float,
        temperature: float = 1.0,
        branch: str | None = None,
        fusion: Fusion = "mean",
        logit_bias: float | None = None,
    ) -> None:
        super().__init__(logit_scale, branch, fusion, logit_bias)
        if not temperature > 0:
            raise ValueError(f"expected a temperature above 0, got {temperature}")
        self.temperature = float(temperature)

    def extra_repr(self) -> str:
        """Show all settings in the printed module."""
        return f"{super().extra_repr()}, temperature={self.temperature}"


@final
@SCORES.register_module()
class MSP(TemperedLogitScore):
    """Negative largest class probability (Hendrycks and Gimpel 2017): -max softmax(z / T).

    Example:
        >>> import torch
        >>> from plp.structures import Evidence
        >>> cosines = torch.tensor([[0.3, 0.1], [0.2, 0.2]])
        >>> evidence = {'global': Evidence(cosines, cosines[..., None], cosines[..., None])}
        >>> MSP(logit_scale=10.0)(evidence)
        tensor([-0.8808, -0.5000])
    """

    def of_logits(self, logits: Float[Tensor, "B C"]) -> Float[Tensor, " B"]:
        """Return the negative largest probability."""
        return -(logits / self.temperature).softmax(-1).amax(-1)


@final
@SCORES.register_module()
class MaxLogit(LogitScore):
    """Negative largest logit (Hendrycks et al. 2022): -max z. A temperature would rank the same.

    Example:
        >>> import torch
        >>> from plp.structures import Evidence
        >>> cosines = torch.tensor([[0.3, 0.1], [0.2, 0.2]])
        >>> evidence = {'global': Evidence(cosines, cosines[..., None], cosines[..., None])}
        >>> MaxLogit(logit_scale=10.0)(evidence)
        tensor([-3., -2.])
    """

    def of_logits(self, logits: Float[Tensor, "B C"]) -> Float[Tensor, " B"]:
        """Return the negative largest logit."""
        return -logits.amax(-1)


@final
@SCORES.register_module()
class Energy(TemperedLogitScore):
    """Free energy (Liu et al. 2020): -T log sum exp(z / T).

    Example:
        >>> import torch
        >>> from plp.structures import Evidence
        >>> cosines = torch.tensor([[0.3, 0.1], [0.2, 0.2]])
        >>> evidence = {'global': Evidence(cosines, cosines[..., None], cosines[..., None])}
        >>> Energy(logit_scale=10.0)(evidence)
        tensor([-3.1269, -2.6931])
    """

    def of_logits(self, logits: Float[Tensor, "B C"]) -> Float[Tensor, " B"]:
        """Return the free energy."""
        return -self.temperature * (logits / self.temperature).logsumexp(-1)


@final
@SCORES.register_module()
class Entropy(TemperedLogitScore):
    """Entropy of the class probabilities in nats: -sum p log p with p = softmax(z / T).

    Example:
        >>> import torch
        >>> from plp.structures import Evidence
        >>> cosines = torch.tensor([[0.3, 0.1], [0.2, 0.2]])
        >>> evidence = {'global': Evidence(cosines, cosines[..., None], cosines[..., None])}
        >>> Entropy(logit_scale=10.0)(evidence)
        tensor([0.3653, 0.6931])
    """

    def of_logits(self, logits: Float[Tensor, "B C"]) -> Float[Tensor, " B"]:
        """Return the entropy."""
        log_probabilities = (logits / self.temperature).log_softmax(-1)
        return -(log_probabilities.exp() * log_probabilities).sum(-1)


def class_scores(
    evidence: Mapping[str, Evidence], branch: str | None = None, fusion: Fusion = "mean"
) -> Float[Tensor, "B C"]:
    """Return the class scores of one branch, or those of all, fused as the learner does.

    Raises:
        ValueError: if there is no such branch, or none at all.
    """
    if branch is not None:
        if branch not in evidence:
            raise ValueError(f"expected a branch {branch!r} to score, got {', '.join(evidence)}")
        return evidence[branch].scores
    if not evidence:
        raise ValueError("expected a branch to score, got none")
    return fused_scores(evidence, fusion)
