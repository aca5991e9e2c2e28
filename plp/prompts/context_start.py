"""How learned context starts: as the token embeddings of words, or at random."""

import math
from collections.abc import Sequence

from jaxtyping import Float
from torch import Tensor, nn

from plp.checks import check_choice, check_integer, check_number
from plp.prompts.around_name import check_position
from plp.prompts.base import EmbedWords
from plp.prompts.names_in_text import embed_part


def check_layout(num_prompts: int, prompts_a_step: int | None, position: str) -> None:
    """Refuse numbers of prompts and places of the class name that there cannot be."""
    check_integer("num_prompts", num_prompts)
    if prompts_a_step is not None and not 1 <= prompts_a_step <= num_prompts:
        raise ValueError(
            f"expected prompts_a_step from 1 to {num_prompts} (num_prompts) or None, "
            f"got {prompts_a_step}"
        )
    check_position(position)


def check_start(words: str | Sequence[str] | None, num_tokens: int | None, fill: str) -> None:
    """Refuse keywords that say nothing about the start of a context."""
    if words is None and num_tokens is None:
        raise ValueError(
            "expected words= (context starts as these words), num_tokens= (context of so many "
            "random tokens) or both (so many of the words' tokens are learned), got neither"
        )
    if num_tokens is not None:
        check_integer("num_tokens", num_tokens)
    check_choice("fill", fill, ("zeros", "end_token"))


def check_partly_learned(
    words: object, num_tokens: int | None, position: str, prompts_a_step: int | None
) -> None:
    """Refuse what words of which some are not learned do not go with."""
    if words is None or num_tokens is None:
        return
    if position != "end":
        raise ValueError(
            "expected position 'end' with both words= and num_tokens=: words that are not learned "
            f"stand in front of the class name; got {position!r}"
        )
    if prompts_a_step is not None:
        raise ValueError(
            f"prompts_a_step={prompts_a_step!r} does not go with both words= and num_tokens="
        )


def one_text_a_prompt(words: str | Sequence[str] | None, num_prompts: int) -> list[str]:
    """Return the text each prompt starts as; none for a context that starts at random."""
    if words is None:
        return []
    texts = [words] * num_prompts if isinstance(words, str) else list(words)
    if len(texts) != num_prompts:
        raise ValueError(f"expected one text or {num_prompts} (num_prompts), got {len(texts)}")
    return texts


def embedded(
    words: Sequence[str], embed_words: EmbedWords, behind: bool = False
) -> Float[Tensor, "N T D"]:
    """Return the token embeddings of texts that are all of the same number of tokens.

    Args:
        words: The texts.
        embed_words: Looks token embeddings up.
        behind: Whether they stand behind the class name.

    Raises:
        ValueError: for texts of several lengths, of no token, or too long for a text tower.
    """
    tokens = embed_part(words, embed_words, behind)
    lengths = tokens.lengths.tolist()
    if tokens.room is not None and max(lengths) >= tokens.room:
        raise ValueError(
            f"expected words of fewer than {tokens.room} tokens, so that a class name fits into "
            f"the text tower beside them, got {words[lengths.index(max(lengths))]!r}"
        )
    if len(set(lengths)) != 1 or lengths[0] == 0:
        raise ValueError(
            "expected texts of one and the same number of tokens, at least one, got "
            + ", ".join(f"{text!r} ({n})" for text, n in zip(words, lengths, strict=True))
        )
    return tokens.embeddings.detach()


def random_(context: nn.Parameter, init: str, std: float | None) -> str:
    """Fill `context` at random in place; return what was done, with its scale."""
    if init == "normal":
        std = 0.02 if std is None else std
        check_number("std", std)
        nn.init.normal_(context, std=std)
        return f"normal, standard deviation {std:g}"
    if init == "xavier_uniform":
        if std is not None:
            raise ValueError(f"std={std!r} goes with init='normal', not with 'xavier_uniform'")
        if context.ndim < 3:
            raise ValueError("xavier_uniform needs a context of at least three axes")
        nn.init.xavier_uniform_(context)
        receptive = math.prod(context.shape[2:])
        bound = math.sqrt(6 / ((context.shape[0] + context.shape[1]) * receptive))
        return f"xavier-uniform over {list(context.shape)}, bound {bound:.4g}"
    raise ValueError(f"expected init 'normal' or 'xavier_uniform', got {init!r}")
