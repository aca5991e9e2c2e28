"""Class names together with the punctuation that touches them in a text."""

from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from plp.structures import NameTokens
from plp.upload import upload


class NamesInText:
    """Tokenises texts together with what stands directly before and after them, once per pair.

    A tokenizer may put a text and its neighbour into one token: CLIP's byte-pair encoding takes a
    run of punctuation as one word, so that the sentence "a kite (bird of prey)." ends in the token
    `).` while `)` and `.` apart are two. Only white space separates for certain, so it is enough to
    tokenise a name with its neighbours up to the next white space.

    Args:
        texts: The bare texts.
        embed_words: Looks token embeddings of texts up (the backbone's).

    Example:
        >>> from plp.structures import NameTokens
        >>> def embed_words(texts):  # a token per letter
        ...     rows = torch.zeros(len(texts), max(map(len, texts)), 2)
        ...     lengths = torch.tensor([len(text) for text in texts])
        ...     return NameTokens(rows, lengths, torch.zeros(2), torch.zeros(2))
        >>> NamesInText(["oak", "elm tree"], embed_words)("(", ").", torch.zeros(1)).lengths
        tensor([ 6, 11])
    """

    def __init__(
        self, texts: Sequence[str], embed_words: Callable[[Sequence[str]], NameTokens]
    ) -> None:
        self._texts = tuple(texts)
        self._embed_words = embed_words
        self._known: dict[tuple[str, str], NameTokens] = {}

    def __call__(self, before: str, after: str, like: Tensor) -> NameTokens:
        """Return the tokens of `before + text + after` for every text, without a graph.

        Args:
            before: What stands directly before every text; `{a}` in it is the article that goes
                with the text.
            after: What stands directly after it.
            like: Any tensor of the dtype and on the device wanted.
        """
        tokens = self._known.get((before, after))
        if tokens is None:
            tokens = self._embed_words(
                [f"{with_article(before, text)}{text}{after}" for text in self._texts]
            )
        if (before, after) not in self._known or _differ(tokens.embeddings, like):
            tokens = self._known[before, after] = _moved(tokens, like)
        return tokens


def _differ(tensor: Tensor, like: Tensor) -> bool:
    return tensor.device != like.device or tensor.dtype != like.dtype


def _moved(tokens: NameTokens, like: Tensor) -> NameTokens:
    embeddings, start, end = (
        tensor.detach().to(like) for tensor in (tokens.embeddings, tokens.start, tokens.end)
    )
    return tokens._replace(
        embeddings=embeddings, lengths=tokens.lengths.cpu(), start=start, end=end, touching=None
    )


def with_article(before: str, text: str) -> str:
    """Fill `{a}` with "a" or "an", by the first letter of a text.

    By the letter, not the sound: "an hour" and "a unicorn" are not known.

    Example:
        >>> with_article('{a} ', 'electric guitar'), with_article('{a} ', 'Violin')
        ('an ', 'a ')
    """
    vowel = text.lstrip()[:1].lower() in tuple("aeiou")
    return before.replace("{a}", "an" if vowel else "a")


def touching_piece(text: str) -> str:
    """Return the beginning of a text up to its first white space.

    Example:
        >>> touching_piece(". On white."), touching_piece(" in the rain.")
        ('.', '')
    """
    return text.split(maxsplit=1)[0] if text and not text[0].isspace() else ""


def in_text(
    names: NameTokens,
    before: tuple[str, Float[Tensor, "Tb D"] | None],
    after: tuple[str, Float[Tensor, "Ta D"] | None],
    behind: bool = False,
) -> NameTokens:
    """Return the tokens of names with what touches them on either side.

    Args:
        names: Bare names.
        before: A text without white space and its token embeddings; the latter are used where the
            names are known as tokens only.
        after: Likewise.
        behind: Whether something stands before all that; it matters to some vocabularies, see
            `NameTokens.spaced`.
    """
    space = " " if behind and names.spaced else ""
    if not space and not before[0] and not after[0]:
        return names
    if names.touching is None:
        return _appended(names, before[1], after[1])
    return names.touching(space + before[0], after[0], names.embeddings)


def embed_part(
    texts: Sequence[str],
    embed_words: Callable[[Sequence[str]], NameTokens],
    behind: bool = False,
) -> NameTokens:
    """Return the tokens of parts of a prompt, at its beginning or `behind` others."""
    tokens = embed_words(texts)
    return embed_words([f" {text}" for text in texts]) if behind and tokens.spaced else tokens


def _appended(names: NameTokens, before: Tensor | None, after: Tensor | None) -> NameTokens:
    """Put fixed tokens before and after the tokens of every name."""
    first = 0 if before is None else len(before)
    last = 0 if after is None else len(after)
    rows = F.pad(names.embeddings, (0, 0, first, last))
    lengths = names.lengths.cpu()
    if before is not None:
        rows[:, :first] = before.to(rows)
    if after is not None:
        places = first + lengths[:, None] + torch.arange(last)
        rows[torch.arange(len(rows))[:, None], upload(places, rows.device)] = after.to(rows)
    return names._replace(embeddings=rows, lengths=lengths + first + last)
