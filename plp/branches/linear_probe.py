"""Logistic regression on frozen features: the yardstick of few shots."""

import warnings
from collections.abc import Sequence
from typing import Any, NamedTuple, final

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F

from plp.branches.base import Branch, ProjectDense
from plp.branches.quality import quality
from plp.evaluation.finite import PREDICTION, check_logits, not_finite
from plp.registry import BRANCHES
from plp.structures import Evidence, ImageFeatures, Shots

_MOST_STEPS = 1000  # of L-BFGS


@final
@BRANCHES.register_module()
class LinearProbe(Branch):
    """Multinomial logistic regression on pooled features of length one, by scikit-learn.

    Its inverse regularisation C is the one of `strengths` with the best accuracy on validation
    images, of several the one with the lowest cross-entropy there. All views of a shot count.

    Args:
        strengths: Values of C to choose from; without validation images the middle one is taken.
        num_classes: C; supplied when a learner is built, as the following.
        embed_dim: E.
        logit_scale: What the learner will multiply the scores with.
    """

    prompt = None
    needs_shots = True
    supports_new_classes = False  # type: ignore[assignment]

    weight: Tensor  # [C, E]; buffers
    bias: Tensor  # [C]

    def __init__(
        self,
        strengths: Sequence[float] = (0.01, 0.1, 1.0, 10.0, 100.0),
        *,
        num_classes: int,
        embed_dim: int,
        logit_scale: float,
    ) -> None:
        super().__init__()
        if not strengths or any(not strength > 0 for strength in strengths):
            raise ValueError(f"expected strengths above 0, got {strengths!r}")
        self.strengths = tuple(strengths)
        self.logit_scale = logit_scale
        self.register_buffer("weight", torch.zeros(num_classes, embed_dim))
        self.register_buffer("bias", torch.zeros(num_classes))

    def fit(self, shots: Shots, val: Shots | None, text: Any = None) -> str:
        """Fit one regression a strength, keep the best."""
        views = len(shots.pooled)
        train = _normalised(shots.pooled), shots.labels.repeat(views)
        if val is None:
            chosen = self.strengths[len(self.strengths) // 2]
            why = "no validation images"
            found = _regression(chosen, *train, len(self.bias))
        else:
            held = _normalised(val.pooled[:1]), val.labels.cpu()
            fits = [_regression(c, *train, len(self.bias)) for c in self.strengths]
            logits = [F.linear(held[0], fit.weight, fit.bias) for fit in fits]
            check_logits({PREDICTION: torch.stack(list(map(not_finite, logits))).any(0)}, "fitting")
            qualities = [quality(value, held[1]).tolist() for value in logits]
            best = max(range(len(fits)), key=lambda i: qualities[i])
            chosen, found = self.strengths[best], fits[best]
            why = f"validation accuracy {100 * qualities[best][0]:.1f} %"
        self.weight.copy_(found.weight)
        self.bias.copy_(found.bias)
        early = "" if found.converged else f", stopped after {_MOST_STEPS} steps, not converged"
        return f"logistic regression on {len(shots.labels)} images, C = {chosen:g} ({why}){early}"

    def forward(
        self,
        features: ImageFeatures,
        text: Any,
        project_dense: ProjectDense,
        patch_scores: bool = False,
        pairs: bool = True,
    ) -> Evidence:
        """Score every class for every image; there are no texts here."""
        with torch.autocast(features.pooled.device.type, enabled=False):
            pooled = F.normalize(features.pooled.float(), dim=-1)
            scores = F.linear(pooled, self.weight, self.bias) / self.logit_scale
        return Evidence(scores, scores[..., None], scores[..., None])


class _Fit(NamedTuple):
    weight: Float[Tensor, "C E"]
    bias: Float[Tensor, " C"]
    converged: bool


def _normalised(pooled: Float[Tensor, "V M E"]) -> Float[Tensor, "VM E"]:
    return F.normalize(pooled.flatten(0, 1).float(), dim=-1).cpu()


def _regression(
    strength: float, features: Tensor, labels: Int[Tensor, " M"], num_classes: int
) -> _Fit:
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    present, index = labels.cpu().unique(return_inverse=True)
    weight, bias = torch.zeros(num_classes, features.shape[1]), torch.zeros(num_classes)
    if len(present) < num_classes:
        bias -= 1e4  # a class without a shot (stratified draws have such) is never predicted
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # what is kept says so itself
        probe = LogisticRegression(C=strength, max_iter=_MOST_STEPS)
        probe.fit(features.numpy(), index.numpy())
    coefficients = torch.from_numpy(probe.coef_).float()
    intercept = torch.from_numpy(probe.intercept_).float()
    if len(present) == 2:  # one row, of the second class against the first
        coefficients = torch.cat([torch.zeros_like(coefficients), coefficients])
        intercept = torch.cat([torch.zeros_like(intercept), intercept])
    weight[present], bias[present] = coefficients, intercept
    return _Fit(weight, bias, int(probe.n_iter_.max()) < _MOST_STEPS)
