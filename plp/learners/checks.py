"""What a learner refuses or warns of: choices there are not, parts that do not go together."""

import warnings
from collections.abc import Iterable, Mapping, Sized
from weakref import WeakSet

import torch
from torch import Tensor, nn

from plp.branches.collection import Branches
from plp.errors import ConfigError, did_you_mean
from plp.learners.precision import PRECISIONS
from plp.losses.base import LossTerm
from plp.structures import Evidence
from plp.tuners.collection import Tuners

# torch forgets which warnings it has shown whenever filters change, as they do in its own steps.
_WARNED_OF: WeakSet[LossTerm] = WeakSet()


def check_arguments(branches: Sized, precision: str, fusion: object, objective: str) -> None:
    """Refuse what is wrong before anything is built; `fusion` has been checked by itself."""
    if not branches:
        raise ConfigError("expected at least one branch, got none")
    if precision not in PRECISIONS:
        raise ConfigError(f"expected precision {', '.join(PRECISIONS)}, got {precision!r}")
    if objective not in ("branches", "weighted", "fused"):
        raise ConfigError(
            f"expected objective 'branches', 'weighted' or 'fused', got {objective!r}"
        )
    if objective == "weighted" and isinstance(fusion, str):
        raise ConfigError(
            "objective='weighted' takes the weights of the losses from the fusion: expected fusion "
            f"as a dict of weights by branch, got {fusion!r}"
        )


def check_named(key: str, what: str, parts: object, kind: type) -> None:
    """Refuse parts that are no dict by name, of configs or of what they make."""
    values = parts.values() if isinstance(parts, Mapping) else [parts]
    if parts is not None and not all(isinstance(part, Mapping | kind) for part in values):
        raise ConfigError(
            f"expected {key} as a dict of {what} by name, {key}=dict(NAME=dict(type=...)), "
            f"got {parts!r}"
        )


def check_reads(branches: Branches, references: Branches, parts: Mapping[str, nn.Module]) -> None:
    """Refuse loss terms and tuners that read a branch or reference there is not."""
    for name, part in parts.items():
        reads = [(branches, "branch", one) for one in getattr(part, "read_branches", ())]
        reads += [(references, "reference", one) for one in getattr(part, "read_references", ())]
        for found, kind, wanted in reads:
            if wanted not in found:
                near = did_you_mean(wanted, found)
                raise ConfigError(
                    f"{name!r} ({type(part).__name__}) reads the {kind} {wanted!r}, which is not "
                    f"available.{near} Available: {', '.join(found) or 'none'}"
                )


def check_parts(
    branches: Branches,
    references: Branches,
    losses: Iterable[str],
    tuners: Iterable[str],
    objective: str,
) -> None:
    """Refuse two results under one name, and a fused objective beside a branch's own loss."""
    _check_apart("reference", references, "branch", branches)
    own = [name for name, branch in branches.named() if branch.has_own_loss]
    if objective == "fused" and own:
        raise ConfigError(
            "objective='fused' trains one cross-entropy of the fused scores, which would leave out "
            f"prompt dropout, loss='per_prompt' or a penalty of branch {', '.join(own)}: take it "
            "out, or take objective='branches'"
        )
    taken = ["fused"] if objective == "fused" else [*branches]
    _check_apart("loss term", losses, "loss", taken)
    _check_apart("tuner", tuners, "loss", [*taken, *losses])


def check_new_classes(branches: Branches, tuners: Tuners) -> None:
    """Refuse other classes where a branch or tuner is bound to those it was trained with."""
    if bound := branches.bound_to_classes:
        raise ConfigError(
            f"branch {', '.join(bound)} belongs to the classes it was trained with and cannot "
            "take new class names; a branch of shared context can"
        )
    if bound := tuners.bound_to_classes:
        raise ConfigError(
            f"tuner {', '.join(bound)} belongs to the classes it was trained with and cannot take "
            "new class names"
        )


def warn_of_constants(
    terms: Mapping[str, LossTerm], values: Mapping[str, Tensor], evidence: Mapping[str, Evidence]
) -> None:
    """Warn once of each loss term without a gradient, which changes nothing that is learned."""
    if not torch.is_grad_enabled():
        return
    for name, term in terms.items():
        if values[name].requires_grad or term in _WARNED_OF:
            continue
        _WARNED_OF.add(term)
        plans = any(one.plan is not None for one in evidence.values())
        hint = (
            ". A plan is a constant unless the aligner says otherwise (gradient='implicit')"
            if plans
            else ": nothing that it compares is learned"
        )
        warnings.warn(
            f"loss term {name!r} has no gradient; it is added to the loss and changes nothing"
            f"{hint}",
            stacklevel=3,
        )


def _check_apart(what: str, names: Iterable[str], other: str, taken: Iterable[str]) -> None:
    """Refuse a name whose results would stand where those of another part stand."""
    for name in set(names).intersection(taken):
        raise ConfigError(f"a {what} cannot be called {name!r}: there is a {other} of this name")
