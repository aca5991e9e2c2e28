"""What a learner minimises: losses of its branches, or of their fusion, and further terms."""

from collections.abc import Mapping

from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F

from plp.branches.collection import Branches
from plp.branches.fusion import Fusion
from plp.learners.checks import warn_of_constants
from plp.losses.base import LossInputs, LossTerm
from plp.structures import Evidence

Losses = dict[str, Float[Tensor, ""]]


def branch_losses(
    branches: Branches,
    evidence: Mapping[str, Evidence],
    labels: Int[Tensor, " B"],
    scale: Float[Tensor, ""],
    weights: Fusion | None = None,
) -> Losses:
    """Return each branch's own loss as `loss_<name>`, times its weight if there are any."""
    losses = {name: one.loss(evidence[name], labels, scale) for name, one in branches.named()}
    if weights is None or isinstance(weights, str):
        return {f"loss_{name}": loss for name, loss in losses.items()}
    return {f"loss_{name}": weights[name] * loss for name, loss in losses.items()}


def fused_loss(logits: Float[Tensor, "B C"], labels: Int[Tensor, " B"]) -> Losses:
    """Return the cross-entropy of the fused logits as `loss_fused`."""
    return {"loss_fused": F.cross_entropy(logits, labels)}


def term_losses(terms: Mapping[str, LossTerm], inputs: LossInputs) -> Losses:
    """Return the value of each loss term as `loss_<name>`; warn of those without a gradient."""
    added = {name: term(inputs) for name, term in terms.items()}
    warn_of_constants(added)
    return {f"loss_{name}": value for name, value in added.items()}
