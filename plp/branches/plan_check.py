"""Is what an aligner from outside of plp returns a plan? Looked at in the first batch."""

from collections.abc import Iterator

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from plp.aligners.base import Aligner, kept_pairs
from plp.errors import ConfigError

MASS_TOLERANCE = 1e-3  # what float32 sums of a few thousand pairs keep, with room


def needs_check(aligner: Aligner) -> bool:
    """Whether an aligner is somebody's own: plp's keep the contract by test."""
    return not type(aligner).__module__.startswith("plp.aligners.")


def check_plan(
    aligner: Aligner,
    plan: object,
    similarity: Float[Tensor, "*batch K N"],
    mask: Bool[Tensor, "*#batch K N"] | None,
) -> None:
    """Refuse what does not keep the contract of `Aligner`.

    Waits for the device, so once a run and mode is enough. Where the similarities themselves are
    not finite, numbers are not the aligner's fault and are passed over.

    Raises:
        ConfigError: naming the aligner, what was expected and what came.
    """
    if torch.compiler.is_compiling() or torch.jit.is_tracing():
        return
    wrong = "; ".join(_wrong(plan, similarity.detach(), mask))
    if wrong:
        raise ConfigError(
            f"the aligner {type(aligner).__name__} returned no transport plan: {wrong}. A plan has "
            "the shape of the similarities, is finite and non-negative, is zero where the mask is "
            "False, and sums to one over patches and prompts for each image and class (see "
            "plp/aligners/base.py)"
        )


def _wrong(plan: object, similarity: Tensor, mask: Tensor | None) -> Iterator[str]:
    if not isinstance(plan, Tensor):
        yield f"expected a tensor, got {type(plan).__name__}"
        return
    if plan.shape != similarity.shape:
        expected, got = list(similarity.shape), list(plan.shape)
        yield f"expected the shape {expected} (images, classes, patches, prompts), got {got}"
        return
    if plan.is_complex():
        yield f"expected real numbers, got {plan.dtype}"
        return
    if not bool(similarity.isfinite().all()):
        return
    plan = plan.detach()
    plan = plan if plan.dtype == torch.float64 else plan.float()
    yield from _wrong_numbers(plan, kept_pairs(similarity, mask))


def _wrong_numbers(plan: Tensor, kept: Tensor) -> Iterator[str]:
    finite = plan.isfinite()
    if not bool(finite.all()):
        yield f"expected finite numbers, got {int((~finite).sum())} of {plan.numel()} that are not"
        return
    if float(plan.amin()) < -MASS_TOLERANCE / plan[0, 0].numel():
        negative = int((plan < 0).sum())
        yield (
            f"expected numbers >= 0, got {negative} of {plan.numel()} below (the least "
            f"{float(plan.amin()):.4g})"
        )
    outside = float(plan.masked_fill(kept, 0.0).abs().sum((-2, -1)).amax())
    if outside > MASS_TOLERANCE:
        yield f"expected no mass where the mask is False, got {outside:.4g} of a plan there"
    masses = plan.sum((-2, -1))[kept.any(-1).any(-1)]  # a class without a pair has no mass to share
    if masses.numel() and float((masses - 1).abs().amax()) > MASS_TOLERANCE:
        low, high = float(masses.amin()), float(masses.amax())
        got = f"{low:.4g}" if f"{low:.4g}" == f"{high:.4g}" else f"{low:.4g} to {high:.4g}"
        yield f"expected a mass of 1 for each image and class, got {got}"
