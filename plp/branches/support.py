"""Cosines of patches with prompts on each class's support, a part of the classes at a time."""

from collections.abc import Iterator
from typing import Any, NamedTuple, cast

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from plp.branches.global_branch import cosine
from plp.selectors.base import Selector
from plp.structures import Support

# Of the cosines [B, P, c, N] of one part. On a CPU 8 to 32 MiB take the same time and less of them
# more (docs/performance.md). On a GPU each part costs the start of hundreds of kernels, so that few
# large ones are wanted; that has not been measured.
_CPU_BYTES, _GPU_BYTES = 8 * 2**20, 2**30


class Supported(NamedTuple):
    """What is left of the cosines of some classes.

    Attributes:
        similarity: Cosines on the support, with a graph.
        support: The support.
        patch_scores: Cosines of all patches averaged over prompts, where asked for.
    """

    similarity: Float[Tensor, "B C K N"]
    support: Support
    patch_scores: Float[Tensor, "B P C"] | None


def walk_classes(
    patches: Float[Tensor, "B P E"],
    text: Float[Tensor, "C N E"] | Float[Tensor, "B C N E"],
    selector: Selector,
    chunk: int | None = None,
    patch_scores: bool = False,
) -> Iterator[Supported]:
    """Compare patches with prompts, and keep of each part of the classes what its support needs.

    The cosines of a part are dropped before those of the next are made, and the graph does not hold
    them: the gradient goes from the support straight to patches and texts.

    Args:
        patches: Patch features of length one.
        text: Texts of length one, of all images or one set per image.
        selector: Picks the support.
        chunk: Classes of a part; None: as many as keep its cosines within 8 MiB, on a
            GPU within 1 GiB.
        patch_scores: Also return the mean cosines of all patches.
    """
    images, count = patches.shape[:2]
    bytes_a_class = images * count * text.shape[-2] * patches.element_size()
    limit = _CPU_BYTES if patches.device.type == "cpu" else _GPU_BYTES
    for part in text.split(chunk or max(limit // max(bytes_a_class, 1), 1), dim=-3):
        with torch.no_grad():
            cosines = cosine(patches, part)  # [B, P, c, N]
            support = selector(cosines)
            singles = cosines.mean(-1) if patch_scores else None
        similarity = _OnSupport.apply(  # type: ignore[no-untyped-call]
            patches, part, support.indices.expand(-1, -1, -1, part.shape[-2]), cosines
        )
        del cosines
        yield Supported(cast(Tensor, similarity), support, singles)


def join(supports: list[Support]) -> Support:
    """Put the supports of parts of the classes together."""
    return Support(torch.cat([one.indices for one in supports], dim=1), supports[0].kept)


def support_mask(support: Support, num_prompts: int) -> Bool[Tensor, "K N"] | None:
    """Which pairs count where prompts keep different numbers of patches."""
    if support.kept is None:
        return None
    rank = torch.arange(support.indices.shape[2], device=support.indices.device)
    kept = torch.tensor(support.kept, device=support.indices.device).expand(num_prompts)
    return rank[:, None] < kept


class _OnSupport(torch.autograd.Function):
    """Cosines that are known already, with the gradient of the products they come from."""

    @staticmethod
    def forward(ctx: Any, patches: Tensor, text: Tensor, index: Tensor, cosines: Tensor) -> Tensor:
        ctx.save_for_backward(patches, text, index)  # index [B, c, K, N], expanded
        return cosines.transpose(1, 2).gather(2, index)  # in one copy, contiguous

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        patches, text, index = ctx.saved_tensors
        images, count = patches.shape[:2]
        with torch.autocast(patches.device.type, enabled=False):
            whole = grads[0].new_zeros(images, count, *text.shape[-3:-1])  # [B, P, c, N]
            whole.transpose(1, 2).scatter_add_(2, index, grads[0])
            texts = "cne" if text.ndim == 3 else "bcne"
            to_patches = to_text = None
            if ctx.needs_input_grad[0]:
                to_patches = torch.einsum(f"bpcn,{texts}->bpe", whole, text)
            if ctx.needs_input_grad[1]:
                to_text = torch.einsum(f"bpcn,bpe->{texts}", whole, patches)
        return to_patches, to_text, None, None
