"""Position and suffix for prompts that inherit from nothing but the base."""

import pytest
import torch
from cases import PROMPT_INPUTS, TOKEN_DIM, toy_words
from torch.testing import assert_close

from plp.errors import ConfigError
from plp.prompts import (
    SharedContext,
    around_name,
    check_position,
    embed_suffix,
    text_around_name,
)


@pytest.mark.parametrize("position", ["end", "middle", "front"])
@pytest.mark.parametrize("suffix", ["", ".", ". end"])
def test_the_same_texts_as_shared_context(position, suffix):
    words = "a photo of a"
    prompt = SharedContext(2, words=words, position=position, suffix=suffix, **PROMPT_INPUTS)
    names = toy_words(("cat", "old oak tree", "red car"))
    embeddings = embed_suffix(suffix, toy_words)
    made = around_name(names, prompt.context[None], position, suffix, embeddings)
    expected = prompt(names)
    assert_close(made.embeddings, expected.embeddings, rtol=0, atol=0)
    assert torch.equal(made.end, expected.end)
    assert [text_around_name(words.split(), position, suffix)] * 2 == prompt.describe()


def test_no_suffix_has_no_tokens():
    assert embed_suffix("", toy_words) is None
    assert embed_suffix("one .", toy_words).shape == (2, TOKEN_DIM)


def test_other_positions_are_refused():
    with pytest.raises(ConfigError, match="'end', 'middle' or 'front', got 'behind'"):
        check_position("behind")
