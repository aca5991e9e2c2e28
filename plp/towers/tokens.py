"""How a tokenizer lays a text out: what stands before it, behind it, and as padding."""

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from open_clip.tokenizer import HFTokenizer, SimpleTokenizer

from plp.errors import ConfigError, WeightsError
from plp.towers.missing import missing_package

_FIRST, _WORD = "a", "dog"  # examples that a tokenizer's ways are read off


class Frame(NamedTuple):
    """Ids around every text.

    Attributes:
        start: Before the text; none in T5's and Gemma's vocabularies.
        end: Behind it.
        pad: Fills the places up to the context length.
    """

    start: tuple[int, ...]
    end: tuple[int, ...]
    pad: int


class Tokens(ABC):
    """A tokenizer, opened when it is first asked."""

    @abstractmethod
    def ids(self, text: str) -> list[int]:
        """Return the ids of a bare text, without what stands around it.

        Args:
            text: The text. If it begins with white space, it stands behind another word.
        """

    @property
    @abstractmethod
    def frame(self) -> Frame:
        """Ids around every text."""

    @property
    def spaced(self) -> bool:
        """Whether a word has other ids behind another word than at the beginning of a text."""
        return False


class CLIPTokens(Tokens):
    """CLIP's byte-pair encoding, which is part of open_clip.

    Args:
        options: open_clip's `tokenizer_kwargs`.
    """

    def __init__(self, options: Mapping[str, Any] | None = None) -> None:
        self._options = json.dumps(dict(options or {}))

    def ids(self, text: str) -> list[int]:
        """Return the ids of a bare text."""
        return _clip_tokenizer(self._options).encode(text)

    @property
    def frame(self) -> Frame:
        """Start and end of text; zeros behind."""
        tokenizer = _clip_tokenizer(self._options)
        return Frame((tokenizer.sot_token_id,), (tokenizer.eot_token_id,), 0)


class LibraryTokens(Tokens):
    """A tokenizer of the transformers library, whose ways are read off examples.

    Args:
        name: What it is called in messages.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._frame: Frame | None = None
        self._spaced: bool | None = None

    @property
    @abstractmethod
    def _tokenizer(self) -> Any:
        """What has the library's `tokenizer`, as well as `clean_fn` and `strip_sep_token`.

        The former is applied to a text first; the latter says that zeros stand for its separators.
        """

    def ids(self, text: str) -> list[int]:
        """Return the ids of a bare text; see `spaced` for one that begins with white space."""
        if not text.strip():  # some vocabularies have a token for a space alone
            return []
        if text[:1].isspace() and self.spaced:
            return self._behind(text)
        return self._bare(self._tokenizer.clean_fn(text))

    @property
    def spaced(self) -> bool:
        """Whether a word has other ids behind another word, found on an example.

        RoBERTa's and Gemma's (SigLIP2's) vocabularies have a word with the space before it, and
        another without, for the beginning of a text. Those of T5, XLM-RoBERTa and NLLB put a space
        there too, and BERT's has none.
        """
        if self._spaced is None:
            self._spaced = self._behind(_WORD) != self._bare(_WORD)
        return self._spaced

    @property
    def frame(self) -> Frame:
        """What the tokenizer puts around a text, found on an example."""
        if self._frame is None:
            inner = self._tokenizer.tokenizer
            if inner.padding_side != "right":
                raise ConfigError(
                    f"the tokenizer {self._name!r} puts padding in front of texts "
                    f"(padding_side={inner.padding_side!r}), and prompts are laid out with it "
                    "behind. Set padding_side to 'right' in its tokenizer_config.json if the model "
                    "was trained so"
                )
            bare, whole = self._bare(_WORD), list(inner(_WORD).input_ids)
            start = _place_of(bare, whole)
            if start is None:
                raise ConfigError(
                    f"the tokenizer {self._name!r} changes a text by what it puts around it: "
                    f"{bare} became {whole}. Prompts cannot be put together from parts"
                )
            end = whole[start + len(bare) :]
            if self._tokenizer.strip_sep_token:
                end = [0 if token == inner.sep_token_id else token for token in end]
            pad = inner.pad_token_id if inner.pad_token_id is not None else 0
            self._frame = Frame(tuple(whole[:start]), tuple(end), int(pad))
        return self._frame

    def _behind(self, text: str) -> list[int]:
        first = self._bare(_FIRST)
        whole = self._bare(self._tokenizer.clean_fn(f"{_FIRST} {text.lstrip()}"))
        if whole[: len(first)] != first:
            raise ConfigError(
                f"the tokenizer {self._name!r} reads {_FIRST!r} in another way where "
                f"{text.strip()!r} follows: {first} became {whole}. Prompts cannot be put together "
                "from parts"
            )
        return whole[len(first) :]

    def _bare(self, text: str) -> list[int]:
        # Not verbose: it would warn of texts longer than the model's, which plp cuts and reports.
        encoded = self._tokenizer.tokenizer(text, add_special_tokens=False, verbose=False)
        return list(encoded.input_ids)


class HFTokens(LibraryTokens):
    """A tokenizer of the transformers library, cleaned and framed as open_clip does.

    Args:
        name: Folder, or name on the hub; of the latter, what the local cache holds is enough.
        options: open_clip's `tokenizer_kwargs`: `clean`, `strip_sep_token`, `language`, ...
        cache_dir: Where the hub's files are stored; None for the usual cache.
        before_opening: Called once before its files are looked for, with its name; raises where
            they are out of reach.

    Raises:
        WeightsError: when it is first asked, if its files are neither here nor to be had.
    """

    def __init__(
        self,
        name: str,
        options: Mapping[str, Any] | None = None,
        cache_dir: str | None = None,
        before_opening: Callable[[str], None] = lambda name: None,
    ) -> None:
        super().__init__(name)
        self._before_opening = before_opening
        self._options = dict(options or {})
        self._cache_dir = cache_dir
        self._opened: HFTokenizer | None = None

    @property
    def _tokenizer(self) -> HFTokenizer:
        if self._opened is None:
            if self._options.get("tokenizer_mode"):
                raise ConfigError(
                    f"tokenizer_mode={self._options['tokenizer_mode']!r} puts a class token behind "
                    "the padding, which prompts cannot be laid out for; image features work"
                )
            self._before_opening(self._name)
            try:
                options = {**self._options, "cache_dir": self._cache_dir}
                self._opened = HFTokenizer(self._name, **options)
            except Exception as error:  # transformers and the hub raise whatever they like
                reason = str(error).strip().partition("\n")[0]
                raise WeightsError(
                    f"cannot open the tokenizer {self._name}: {type(error).__name__}: {reason}."
                    f"{missing_package(error)}"
                ) from error
        return self._opened


class NoTokens(Tokens):
    """No tokenizer that fits: texts are refused when they are first asked for.

    Args:
        why: What is wrong, and what to do.
    """

    def __init__(self, why: str) -> None:
        self._why = why

    def ids(self, text: str) -> list[int]:
        """Refuse."""
        raise ConfigError(self._why)

    @property
    def frame(self) -> Frame:
        """Refuse."""
        raise ConfigError(self._why)


@lru_cache
def _clip_tokenizer(options: str) -> SimpleTokenizer:
    return SimpleTokenizer(**json.loads(options))  # reads a vocabulary of 1.3 MB: once a process


def _place_of(part: Sequence[int], whole: Sequence[int]) -> int | None:
    for place in range(len(whole) - len(part) + 1):
        if list(whole[place : place + len(part)]) == list(part):
            return place
    return None
