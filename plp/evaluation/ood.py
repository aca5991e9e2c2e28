"""How well a score tells in-distribution (ID) from out-of-distribution (OOD) images."""

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor


class OODMetrics(NamedTuple):
    """Detection quality in percent. An image is accepted as ID where its score is low enough.

    Attributes:
        auroc: Chance that an OOD image scores higher than an ID image; a tie counts half.
        aupr_in: Average precision with ID as the positive class.
        aupr_out: Average precision with OOD as the positive class.
        fpr95_id: Share of OOD accepted at the lowest threshold that accepts at least 95 % of ID.
            The FPR95 of MCM, LoCoOp, GalLoP and SOT-GLP.
        fpr95_ood: Share of ID rejected at the highest threshold that rejects at least 95 % of OOD.
            The FPR@95 of OpenOOD v1.5 and pytorch-ood.
        num_id: ID images.
        num_ood: OOD images.
    """

    auroc: float
    aupr_in: float
    aupr_out: float
    fpr95_id: float
    fpr95_ood: float
    num_id: int
    num_ood: int


def ood_metrics(id_scores: Float[Tensor, " I"], ood_scores: Float[Tensor, " O"]) -> OODMetrics:
    """Compare the scores of ID and OOD images; lower means more in-distribution.

    Exact for any scores. Images of one score stand or fall together: a threshold accepts all of
    them or none, so a metric never depends on their order. AUROC and average precision are
    scikit-learn's `roc_auc_score` and `average_precision_score`, the latter a sum of steps where
    OpenOOD and pytorch-ood take trapezoids: the same score for all images, 50 of each kind, is 50 %
    here and 75 % there. The code published with MCM takes the threshold whose recall is *nearest*
    to 95 %, of several the one that accepts most OOD; here it is the first to reach 95 %. Where all
    scores differ theirs is never lower.

    Raises:
        ValueError: for scores that are no vector, none at all, or not finite.

    Example:
        >>> found = ood_metrics(torch.tensor([-0.9, -0.8, -0.7]), torch.tensor([-0.8, -0.5]))
        >>> round(found.auroc, 2), found.fpr95_id, round(found.fpr95_ood, 2)
        (75.0, 50.0, 66.67)
    """
    inside, outside = _sorted(id_scores, "ID"), _sorted(ood_scores, "OOD")
    return OODMetrics(
        auroc=100 * _chance_below(inside, outside),
        aupr_in=100 * _average_precision(inside, outside),
        aupr_out=100 * _average_precision((-outside).flip(0), (-inside).flip(0)),
        fpr95_id=100 * _accepted_at_95(inside, outside),
        fpr95_ood=100 * _accepted_at_95((-outside).flip(0), (-inside).flip(0)),
        num_id=len(inside),
        num_ood=len(outside),
    )


def threshold_at_95(id_scores: Float[Tensor, " I"]) -> float:
    """Return the lowest threshold t such that at least 95 % of ID images have a score <= t.

    Raises:
        ValueError: for scores that are no vector, none at all, or not finite.

    Example:
        >>> threshold_at_95(torch.arange(100.0))
        94.0
    """
    return _threshold(_sorted(id_scores, "ID")).item()


def _sorted(scores: Tensor, name: str) -> Float[Tensor, " I"]:
    if scores.ndim != 1 or not len(scores):
        raise ValueError(f"expected a vector of {name} scores, got shape {list(scores.shape)}")
    if not scores.isfinite().all():
        bad = int((~scores.isfinite()).sum())
        raise ValueError(f"expected finite {name} scores, got {bad} of {len(scores)} that are not")
    return scores.detach().cpu().double().sort().values


def _chance_below(inside: Float[Tensor, " I"], outside: Float[Tensor, " O"]) -> float:
    """Mann-Whitney: pairs with the ID score below the OOD score, half of those with equal ones."""
    below, up_to = (int(torch.searchsorted(inside, outside, right=r).sum()) for r in (False, True))
    return (below + up_to) / (2 * len(inside) * len(outside))


def _average_precision(positive: Float[Tensor, " M"], negative: Float[Tensor, " K"]) -> float:
    """Mean over positives of the precision at their score; positives are the low ones."""
    right = torch.searchsorted(positive, positive, right=True).double()
    wrong = torch.searchsorted(negative, positive, right=True)
    return (right / (right + wrong)).mean().item()


def _threshold(positive: Float[Tensor, " M"]) -> Float[Tensor, ""]:
    needed = -(-95 * len(positive) // 100)  # rounded up, in whole numbers: 0.95 is no float
    return positive[needed - 1]


def _accepted_at_95(positive: Float[Tensor, " M"], negative: Float[Tensor, " K"]) -> float:
    accepted = torch.searchsorted(negative, _threshold(positive)[None], right=True)
    return int(accepted) / len(negative)
