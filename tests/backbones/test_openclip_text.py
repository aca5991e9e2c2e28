"""Words in, token embeddings out: the byte-pair encoding and its limits."""

import open_clip
import pytest
import torch

from plp.errors import ConfigError
from plp.structures import PromptTokens

NAMES = ["dog", "wire-haired pointing griffon", "Café Crème", "", "犬", "&amp; co."]


def test_bare_words_have_no_start_and_end(tiny):
    names = tiny.embed_words(NAMES)
    table = tiny.model.token_embedding.weight
    tokens = open_clip.tokenize(NAMES)
    assert torch.equal(names.start, table[tokens[0, 0]])
    assert torch.equal(names.end, table[tokens.max()])
    for row, ids in enumerate(tokens):
        length = int(ids.argmax()) - 1
        assert names.lengths[row] == length
        assert torch.equal(names.embeddings[row, :length], table[ids[1 : 1 + length]])
        assert (names.embeddings[row, length:] == 0).all()
    assert names.embeddings.shape[1] == names.lengths.max()
    assert not names.embeddings.requires_grad


def test_words_keep_their_order_and_count(tiny):
    forward, backward = tiny.embed_words(NAMES), tiny.embed_words(NAMES[::-1])
    assert torch.equal(forward.embeddings, backward.embeddings.flip(0))
    assert tiny.embed_words([""]).embeddings.shape == (1, 0, 128)


def test_of_a_text_that_does_not_fit_one_token_more_is_there(tiny):
    fits = " ".join(["dog"] * 75)
    found = tiny.embed_words([fits, fits + " dog", fits + " dog dog", "cat"])
    assert found.room == 75
    assert found.lengths.tolist() == [75, 76, 76, 1]
    assert found.embeddings.shape[1] == 76


def test_a_single_string_is_refused(tiny):
    with pytest.raises(ConfigError, match="expected a sequence of texts, got the string 'dog'"):
        tiny.embed_words("dog")


def test_a_prompt_that_does_not_fit_is_named(tiny):
    end = torch.tensor([[5, 76], [77, 78]])
    prompts = PromptTokens(torch.zeros(2, 2, 79, 128), end)
    with pytest.raises(ConfigError, match=r"prompt 1 of class 1 has 79 tokens .* at most 77"):
        tiny.encode_text(prompts)
    longest = PromptTokens(torch.zeros(2, 2, 79, 128), end.clamp_max(76))
    assert tiny.encode_text(longest).shape == (2, 2, 64)


def test_prompts_of_several_lengths_do_not_influence_each_other(tiny):
    generator = torch.Generator().manual_seed(0)
    embeddings = torch.randn(3, 2, 9, 128, generator=generator)
    end = torch.tensor([[8, 3], [5, 2], [7, 7]])
    together = tiny.encode_text(PromptTokens(embeddings, end))
    for c in range(3):
        for n in range(2):
            alone = PromptTokens(embeddings[c : c + 1, n : n + 1], end[c : c + 1, n : n + 1])
            torch.testing.assert_close(
                together[c, n], tiny.encode_text(alone)[0, 0], atol=1e-5, rtol=1e-5
            )
