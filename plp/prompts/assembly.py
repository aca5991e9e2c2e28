"""Putting a prompt together from its parts: start, context, class name, more context, end."""

from collections.abc import Sequence
from typing import cast

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F

from plp.errors import ConfigError
from plp.structures import NameTokens, PromptTokens
from plp.upload import upload


def assemble(
    names: NameTokens,
    before: Float[Tensor, "#C N Tb D"],
    after: Float[Tensor, "#C N Ta D"] | None = None,
    cut: Int[Tensor, " C"] | None = None,
    sentence: bool = False,
) -> PromptTokens:
    """Write `start before name after end` for every class and prompt.

    Class names differ in length, so what follows the name starts at another position in each class.
    One gather from the concatenated parts puts every token in its place; it is differentiable, and
    texts are padded with zeros only up to the longest of this call.

    A text of more tokens than `names.room` is cut; the end token stays. What is cut is the end of
    the name, so that `before` and `after`, which may be learned, stay whole.

    Args:
        names: Token embeddings of the class names.
        before: Tokens between the start token and the name; a first axis of 1 is shared by the
            classes.
        after: Tokens between the name and the end token.
        cut: How many tokens of each name stand before `after`; the rest of them follows it. None
            for all. On the CPU, as `names.lengths`.
        sentence: Whether all of it is one sentence, which is cut at its end, `after` included, as
            tokenizers cut.

    Raises:
        ConfigError: if `before` and `after` leave no room for a name.

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
    start, end = _rows(names.start), _rows(names.end)
    parts = [
        start.expand(num_classes, num_prompts, -1, -1),
        before.expand(num_classes, -1, -1, -1),
        names.embeddings[:, None].expand(-1, num_prompts, -1, -1),
        after.expand(num_classes, -1, -1, -1),
        end.expand(num_classes, num_prompts, -1, -1),
        end.new_zeros(num_classes, num_prompts, 1, width),  # padding
    ]
    lengths, kept = _fitting(names, num_before, after.shape[2], sentence)
    cut = lengths if cut is None else torch.minimum(cut, lengths)
    sizes = (len(start) + num_before, longest, after.shape[2], len(end))
    index = _places(lengths, cut, len(start) + kept, *sizes)  # [C, L]
    index = upload(index, names.embeddings.device)
    index = index[:, None, :, None].expand(-1, num_prompts, -1, width)  # [C, N, L, D]
    pool = torch.cat([part.to(before.dtype) for part in parts], dim=2)
    last = len(start) + kept + len(end) - 1
    shared = len(start) + (num_before if len(before) == 1 else 0)  # start tokens always are
    return PromptTokens(
        pool.gather(2, index),
        last[:, None].expand(-1, num_prompts),
        shared,
        (num_before + names.lengths + after.shape[2] > kept)[:, None].expand(-1, num_prompts),
    )


def side_by_side(prompts: Sequence[PromptTokens]) -> PromptTokens:
    """Join the prompts of the same classes, padded to the longest; in the order given."""
    longest = max(one.embeddings.shape[2] for one in prompts)
    padded = [
        F.pad(one.embeddings, (0, 0, 0, longest - one.embeddings.shape[2])) for one in prompts
    ]
    return PromptTokens(
        torch.cat(padded, dim=1),
        torch.cat([one.end for one in prompts], dim=1),
        min(one.shared for one in prompts),
        torch.cat([cast(Tensor, one.shortened) for one in prompts], dim=1),
    )


def _fitting(
    names: NameTokens, before: int, after: int, sentence: bool
) -> tuple[Int[Tensor, " C"], Int[Tensor, " C"]]:
    """Return how many tokens of each name stand in its text, and how many between start and end."""
    whole = before + names.lengths + after
    if names.room is None:
        return names.lengths, whole
    always = before if sentence else before + after
    if names.room <= always:
        raise ConfigError(
            f"{always} tokens {'before' if sentence else 'around'} a class name leave no room for "
            f"it: the text tower takes at most {names.room} tokens between start and end of a "
            f"text. Use {'a shorter template' if sentence else 'fewer context tokens'}"
        )
    kept = whole.clamp(max=names.room)
    return (names.lengths if sentence else kept - always), kept


def _rows(tokens: Float[Tensor, "*S D"]) -> Float[Tensor, "S D"]:
    """Return one token, or several, or none, as rows."""
    return tokens if tokens.ndim == 2 else tokens[None]


def _places(
    lengths: Int[Tensor, " C"],
    cut: Int[Tensor, " C"],
    text: Int[Tensor, " C"],
    before: int,
    longest: int,
    after: int,
    ends: int,
) -> Int[Tensor, "C L"]:
    """For each class and position, which token of the concatenated parts stands there.

    `lengths` are those of the names, `text` where the end tokens begin.
    """
    places = min(before + longest + after, int(text.max())) + ends
    position = torch.arange(places, device=lengths.device)
    past_cut = position - before - cut[:, None]  # >= 0 behind the name's first part, [C, L]
    past_text = position - text[:, None]  # >= 0 at the end tokens
    index = position.expand_as(past_cut)
    index = torch.where(past_cut >= 0, before + longest + past_cut, index)  # after
    index = torch.where(past_cut >= after, position - after, index)  # the rest of the name
    end = before + longest + after
    return torch.where(past_text >= 0, end + past_text.clamp(max=ends), index)  # end, then padding
