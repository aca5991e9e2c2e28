"""Where the class name stands in a context, and what follows it: for prompts of any kind."""

from collections.abc import Sequence
from typing import Literal, get_args

import torch
from jaxtyping import Float
from torch import Tensor

from plp.errors import ConfigError
from plp.prompts.assembly import assemble
from plp.prompts.base import EmbedWords
from plp.prompts.names_in_text import in_text
from plp.structures import NameTokens, PromptTokens

Position = Literal["end", "middle", "front"]


def check_position(position: str) -> None:
    """Raise ConfigError for a place that a class name cannot have."""
    if position not in get_args(Position):
        raise ConfigError(f"expected position 'end', 'middle' or 'front', got {position!r}")


def embed_suffix(suffix: str, embed_words: EmbedWords) -> Float[Tensor, "Ts D"] | None:
    """Return the token embeddings of a suffix, None for an empty one; a prompt's buffer."""
    return embed_words([suffix]).embeddings.detach()[0] if suffix else None


def around_name(
    names: NameTokens,
    context: Float[Tensor, "#C N T D"],
    position: Position = "end",
    suffix: str = "",
    suffix_embeddings: Float[Tensor, "Ts D"] | None = None,
) -> PromptTokens:
    """Write `start, context, name, suffix, end` for every class and prompt.

    Name and suffix are tokenised together (see `in_text`). In the middle and in front the published
    code of CoOp cuts their tokens after as many as the bare name has, and the rest follows the
    context: with `kite (bird of prey)` and a full stop, the one token `).` stands at the end of the
    name.

    Args:
        names: Token embeddings of the class names.
        context: Context tokens; a first axis of 1 is shared by the classes.
        position: Whether the name stands at the end of the context, in its middle or in front of it
            (Zhou et al. 2022, CoOp, section 3.2).
        suffix: Fixed text that follows the name directly, such as a full stop.
        suffix_embeddings: Its tokens, see `embed_suffix`.

    Example:
        >>> names = NameTokens(torch.ones(2, 3, 8), torch.tensor([1, 3]),
        ...                    torch.zeros(8), torch.zeros(8))
        >>> around_name(names, torch.randn(1, 4, 2, 8), "middle").embeddings.shape
        torch.Size([2, 4, 7, 8])
    """
    cut = _before(context.shape[2], position)
    before, after = context[:, :, :cut], context[:, :, cut:]
    bare = in_text(names, ("", None), ("", None), behind=cut > 0)
    whole = in_text(names, ("", None), (suffix, suffix_embeddings), behind=cut > 0)
    return assemble(whole, before, after, torch.minimum(bare.lengths, whole.lengths))


def text_around_name(words: Sequence[str], position: Position = "end", suffix: str = "") -> str:
    """Return the text of a prompt, with `{}` for the class name.

    Example:
        >>> text_around_name(["a", "photo", "of", "a"], "middle", ".")
        'a photo {} of a.'
    """
    cut = _before(len(words), position)
    return " ".join([*words[:cut], "{}", *words[cut:]]) + suffix


def _before(tokens: int, position: Position) -> int:
    """How many tokens of the context stand before the name."""
    return {"end": tokens, "middle": tokens // 2, "front": 0}[position]
