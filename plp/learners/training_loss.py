"""What a learner minimises: losses of its branches, or of their fusion, and further terms."""

from collections.abc import Iterable, Mapping
from typing import cast

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F

from plp.backbones.base import Backbone
from plp.branches.collection import Branches
from plp.branches.fusion import Fusion
from plp.errors import ConfigError
from plp.learners.checks import warn_of_constants
from plp.losses.base import LossInputs, LossTerm, named
from plp.structures import Evidence, ImageFeatures

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


def term_losses(
    terms: Mapping[str, LossTerm], inputs: LossInputs, references: Branches, backbone: Backbone
) -> Losses:
    """Return the value of each loss term as `loss_<name>`; warn of those without a gradient.

    Args:
        terms: Loss terms by name.
        inputs: What they look at, but for the teachers.
        references: The references that may be teachers.
        backbone: The frozen model.
    """
    inputs = inputs._replace(teachers=_teachers(terms.values(), inputs, references, backbone))
    added = {name: term(inputs) for name, term in terms.items()}
    warn_of_constants(terms, added, inputs.evidence)
    return {f"loss_{name}": value for name, value in added.items()}


@torch.no_grad()
def _teachers(
    terms: Iterable[LossTerm], inputs: LossInputs, references: Branches, backbone: Backbone
) -> dict[str, Evidence]:
    """Return the evidence of the references that loss terms read, on the towers as they are.

    Raises:
        ConfigError: for a reference that there is not, or one that looks at patches: training
            encodes the streams of the branches only.
    """
    found: dict[str, Evidence] = {}
    for name in dict.fromkeys(name for term in terms for name in term.scored_references):
        reference = named(dict(references.named()), name, "a reference")
        features = cast(ImageFeatures, inputs.features).untuned
        if reference.stream is not None and reference.stream not in features.dense:
            raise ConfigError(
                f"a loss term reads the reference {name!r}, which looks at the stream "
                f"{reference.stream!r}; training has the streams of the branches "
                f"({', '.join(features.dense) or 'none'}). Use a GlobalBranch as the teacher"
            )
        text, project = inputs.texts.get(name), backbone.project_dense
        found[name] = reference(features, text, project, pairs=False)
    return found
