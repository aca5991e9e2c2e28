"""The tokenizer of a folder that the transformers library has written."""

from typing import Any, NamedTuple

from plp.backbones._hf_folder import CheckedFolder
from plp.backbones._hf_library import of_library, quiet_library, reading
from plp.errors import WeightsError
from plp.towers.tokens import LibraryTokens


class FolderTokens(LibraryTokens):
    """A tokenizer as the library uses it: texts are given to it as they are.

    Args:
        name: What its model is called in messages.
        tokenizer: The library's tokenizer.
    """

    def __init__(self, name: str, tokenizer: Any) -> None:
        super().__init__(name)
        self._opened = _AsItIs(tokenizer)

    @property
    def longest(self) -> int:
        """Most tokens of a text, those around it included, as the tokenizer states."""
        return int(self._opened.tokenizer.model_max_length)

    @property
    def _tokenizer(self) -> "_AsItIs":
        return self._opened


class _AsItIs(NamedTuple):
    """A tokenizer with nothing done before or behind it."""

    tokenizer: Any
    strip_sep_token: bool = False

    def clean_fn(self, text: str) -> str:
        """Return the text as it is."""
        return text


def open_tokens(folder: CheckedFolder) -> FolderTokens:
    """Open the tokenizer of a model.

    Raises:
        WeightsError: if the library cannot read its files.
    """
    auto = of_library("AutoTokenizer")
    with quiet_library(), reading(folder, "tokenizer", WeightsError):
        tokenizer = auto.from_pretrained(
            folder.path, local_files_only=True, trust_remote_code=False
        )
    return FolderTokens(folder.name, tokenizer)
