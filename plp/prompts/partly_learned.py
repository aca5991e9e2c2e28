"""Context that starts as words, of which a given number of tokens is learned."""

from collections.abc import Sequence
from typing import Literal, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from plp.prompts.assembly import assemble, side_by_side
from plp.prompts.base import EmbedWords
from plp.structures import NameTokens, PromptTokens

Fill = Literal["zeros", "end_token"]


class WordStart(NamedTuple):
    """The start of N contexts of T tokens, and what of the words is not learned.

    Attributes:
        context: Where the learned tokens start.
        fixed: For each prompt, the tokens of its words that stand between context and class name.
        zeros: For each prompt, how many of its learned tokens start as zeros, all in front.
        replaced: For each prompt, how many of the first tokens of a class name the context takes
            the place of.
    """

    context: Float[Tensor, "N T D"]
    fixed: tuple[Float[Tensor, "_ D"], ...]
    zeros: tuple[int, ...]
    replaced: tuple[int, ...]


def word_start(
    words: Sequence[str], num_tokens: int, embed_words: EmbedWords, fill: Fill = "zeros"
) -> WordStart:
    """Return where T learned tokens start that stand in front of, or in the place of, words.

    A text of W words (separated by spaces) and V >= W tokens, usually as many:

    - T <= W: its first T tokens are learned, the others stay ("[v][v] of a {}", MaPLe).
    - T > W, fill 'zeros': T - W zeros, then its first W tokens; the others stay. As ProGrad's
      published code does, which counts words: "a type of pet, a photo of a" has 8 words and 9
      tokens, so its last "a" is not learned.
    - T > V, fill 'end_token': its V tokens, then the end token, in the place of the first token of
      the class name, which is lost. So it happens in the published code of PLOT++ with a template
      that is one word shorter than the first. T > V + 1 is refused.

    Args:
        words: The texts, one per prompt.
        num_tokens: T.
        embed_words: Looks token embeddings up.
        fill: What T tokens are filled up with.

    Raises:
        ValueError: for an empty text, one that leaves no room for a class name, or one that is too
            short for 'end_token'.
    """
    tokens = embed_words(words)
    lengths = tokens.lengths.tolist()
    if tokens.room is not None and max(*lengths, num_tokens) >= tokens.room:
        raise ValueError(
            f"expected words and num_tokens of fewer than {tokens.room} tokens, so that a class "
            f"name fits beside them, got {max(lengths)} and {num_tokens}"
        )
    parts = [
        _part(text, row[:length], num_tokens, tokens.end, fill)
        for text, row, length in zip(words, tokens.embeddings.detach(), lengths, strict=True)
    ]
    context, fixed, zeros, replaced = zip(*parts, strict=True)
    return WordStart(torch.stack(context), fixed, zeros, replaced)


def _part(
    text: str, row: Float[Tensor, "V D"], num_tokens: int, end: Tensor, fill: Fill
) -> tuple[Tensor, Tensor, int, int]:
    """Return context, fixed tokens, zeros in front and replaced tokens of a name, of one text."""
    if not len(row):
        raise ValueError(f"expected words of at least one token, got {text!r}")
    if fill == "end_token":
        missing = max(num_tokens - len(row), 0)
        if missing > 1:
            raise ValueError(
                f"expected words of at least {num_tokens - 1} tokens with fill='end_token' and "
                f"num_tokens={num_tokens}, got {text!r} ({len(row)})"
            )
        last = (end if end.ndim == 2 else end[None])[:missing]
        return torch.cat([row[:num_tokens], last.to(row)]), row[num_tokens:], 0, missing
    learned = min(num_tokens, len(text.split()), len(row))
    zeros = row.new_zeros(num_tokens - learned, row.shape[1])
    return torch.cat([zeros, row[:learned]]), row[learned:], len(zeros), 0


def assemble_partly_learned(
    names: NameTokens,
    context: Float[Tensor, "#C N T D"],
    fixed: Sequence[Float[Tensor, "_ D"]],
    replaced: Sequence[int],
) -> PromptTokens:
    """Write `start context fixed name end` for every class and prompt.

    Args:
        names: Class names, with what follows them.
        context: Learned tokens.
        fixed: See `WordStart`, as `replaced`.
        replaced: How many tokens each prompt takes away from a name.
    """
    if len({len(part) for part in fixed}) == 1 and not any(replaced):
        rows = torch.stack([part.to(context) for part in fixed]).expand(len(context), -1, -1, -1)
        return assemble(names, torch.cat([context, rows], dim=2))
    made = []
    for n, (part, count) in enumerate(zip(fixed, replaced, strict=True)):
        rows = part.to(context).expand(len(context), 1, -1, -1)
        rest = names._replace(
            embeddings=names.embeddings[:, count:], lengths=(names.lengths - count).clamp(min=0)
        )
        made.append(assemble(rest, torch.cat([context[:, n : n + 1], rows], dim=2)))
    return side_by_side(made)
