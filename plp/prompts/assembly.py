"""Putting a prompt together from its parts: start, context, class name, more context, end."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from plp.structures import NameTokens, PromptTokens
from plp.upload import upload


def assemble(
    names: NameTokens,
    before: Float[Tensor, "#C N Tb D"],
    after: Float[Tensor, "#C N Ta D"] | None = None,
    cut: Int[Tensor, " C"] | None = None,
) -> PromptTokens:
    """Write `start before name after end` for every class and prompt.

    Class names differ in length, so what follows the name starts at another position in each class.
    One gather from the concatenated parts puts every token in its place; it is differentiable, and
    texts are padded with zeros only up to the longest of this call.

    Args:
        names: Token embeddings of the class names.
        before: Tokens between the start token and the name; a first axis of 1 is shared by the
            classes.
        after: Tokens between the name and the end token.
        cut: How many tokens of each name stand before `after`; the rest of them follows it. None
            for all. On the CPU, as `names.lengths`.

    Example:
        >>> names = NameTokens(torch.ones(2, 3, 8), torch.tensor([1, 3]),
        ...                    torch.zeros(8), torch.zeros(8))
        >>> prompts = assemble(names, before=torch.randn(1, 4, 2, 8))
        >>> prompts.embeddings.shape, prompts.end[:, 0]
        (torch.Size([2, 4, 7, 8]), tensor([4, 6]))
    """
    num_classes, longest, width = names.embeddings.shape
    num_prompts, num_before = before.shape[1:3]
    if after is None:
        after = before.new_zeros(1, num_prompts, 0, width)
    parts = [
        names.start.expand(num_classes, num_prompts, 1, width),
        before.expand(num_classes, -1, -1, -1),
        names.embeddings[:, None].expand(-1, num_prompts, -1, -1),
        after.expand(num_classes, -1, -1, -1),
        names.end.expand(num_classes, num_prompts, 1, width),
        names.end.new_zeros(num_classes, num_prompts, 1, width),  # padding
    ]
    cut = names.lengths if cut is None else cut
    index = _places(names.lengths, cut, num_before, longest, after.shape[2])  # [C, L]
    index = upload(index, names.embeddings.device)
    index = index[:, None, :, None].expand(-1, num_prompts, -1, width)  # [C, N, L, D]
    pool = torch.cat([part.to(before.dtype) for part in parts], dim=2)
    end = 1 + num_before + names.lengths + after.shape[2]
    shared = 1 + (num_before if len(before) == 1 else 0)  # the start token is the same everywhere
    return PromptTokens(pool.gather(2, index), end[:, None].expand(-1, num_prompts), shared)


def _places(
    lengths: Int[Tensor, " C"], cut: Int[Tensor, " C"], before: int, longest: int, after: int
) -> Int[Tensor, "C L"]:
    """For each class and position, which token of the concatenated parts stands there."""
    position = torch.arange(1 + before + longest + after + 1, device=lengths.device)
    past_cut = position - 1 - before - cut[:, None]  # >= 0 behind the name's first part, [C, L]
    past_name = position - 1 - before - after - lengths[:, None]  # >= 0 at the end token
    index = position.expand_as(past_cut)
    index = torch.where(past_cut >= 0, 1 + before + longest + past_cut, index)  # after
    index = torch.where(past_cut >= after, position - after, index)  # the rest of the name
    end = 1 + before + longest + after
    return torch.where(past_name >= 0, end + past_name.clamp(max=1), index)  # end, then padding
