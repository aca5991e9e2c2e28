"""`assemble` against a loop that puts one token after the other."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.testing import assert_close

from plp.errors import ConfigError
from plp.prompts import assemble
from plp.structures import NameTokens

WIDTH = 3


def by_hand(names, before, after, sentence=False):
    """Lists of tokens, class by class and prompt by prompt."""
    texts, ends = [], []
    for c, length in enumerate(names.lengths.tolist()):
        for n in range(before.shape[1]):
            first = list(before[min(c, len(before) - 1), n])
            last = list(after[min(c, len(after) - 1), n]) if after is not None else []
            room = length if names.room is None else names.room - len(first) - len(last)
            name = list(names.embeddings[c, :length])
            inner = [*first, *name, *last] if sentence else [*first, *name[:room], *last]
            tokens = [names.start, *inner[: names.room]]
            ends.append(len(tokens))
            texts.append([*tokens, names.end])
    longest = max(map(len, texts))
    zero = torch.zeros(WIDTH, dtype=before.dtype)
    padded = [torch.stack(text + [zero] * (longest - len(text))) for text in texts]
    shape = (len(names.lengths), before.shape[1])
    return torch.stack(padded).unflatten(0, shape), torch.tensor(ends).view(shape)


def random_names(lengths):
    names = NameTokens(
        torch.randn(len(lengths), max(lengths), WIDTH),
        torch.tensor(lengths),
        torch.randn(WIDTH),
        torch.randn(WIDTH),
    )
    for row, length in zip(names.embeddings, lengths, strict=True):
        row[length:] = 0
    return names


@settings(max_examples=60, deadline=None)
@given(
    lengths=st.lists(st.integers(1, 5), min_size=1, max_size=4),
    prompts=st.integers(1, 3),
    num_before=st.integers(0, 3),
    num_after=st.none() | st.integers(0, 3),
    shared=st.tuples(st.booleans(), st.booleans()),
)
def test_against_a_loop(lengths, prompts, num_before, num_after, shared):
    names = random_names(lengths)
    first = [1 if one else len(lengths) for one in shared]
    before = torch.randn(first[0], prompts, num_before, WIDTH)
    after = None if num_after is None else torch.randn(first[1], prompts, num_after, WIDTH)
    found = assemble(names, before, after)
    embeddings, end = by_hand(names, before, after)
    longest = embeddings.shape[2]
    assert_close(found.embeddings[:, :, :longest], embeddings, atol=0, rtol=0)
    assert not found.embeddings[:, :, longest:].any()
    assert torch.equal(found.end, end)


@settings(max_examples=80, deadline=None)
@given(
    lengths=st.lists(st.integers(1, 7), min_size=1, max_size=4),
    num_before=st.integers(0, 3),
    num_after=st.integers(0, 3),
    spare=st.integers(1, 5),
    shared=st.booleans(),
    sentence=st.booleans(),
)
def test_texts_that_are_too_long_against_a_loop(
    lengths, num_before, num_after, spare, shared, sentence
):
    room = (num_before if sentence else num_before + num_after) + spare
    names = random_names(lengths)._replace(room=room)
    before = torch.randn(1 if shared else len(lengths), 2, num_before, WIDTH)
    after = torch.randn(1, 2, num_after, WIDTH)
    found = assemble(names, before, after, sentence=sentence)
    embeddings, end = by_hand(names, before, after, sentence)
    assert_close(found.embeddings[:, :, : embeddings.shape[2]], embeddings, atol=0, rtol=0)
    assert torch.equal(found.end, end)
    assert int(end.max()) <= room + 1
    whole = torch.tensor(lengths)[:, None] + num_before + num_after
    assert torch.equal(found.shortened, (whole > room).expand(-1, 2))


def test_a_name_is_cut_before_its_second_part_too():
    names = random_names([6])._replace(room=5)
    context = torch.randn(1, 1, 2, WIDTH)
    found = assemble(names, context[:, :, :1], context[:, :, 1:], torch.tensor([2]))
    text = [names.start, context[0, 0, 0], *names.embeddings[0, :2], context[0, 0, 1]]
    expected = torch.stack([*text, names.embeddings[0, 2], names.end])
    assert_close(found.embeddings[0, 0], expected, atol=0, rtol=0)


@pytest.mark.parametrize(("sentence", "match"), [(False, "5 tokens around"), (True, "3 .*before")])
def test_no_room_for_a_name_is_refused(sentence, match):
    names = random_names([1])._replace(room=5 if not sentence else 3)
    before, after = torch.randn(1, 1, 3, WIDTH), torch.randn(1, 1, 2, WIDTH)
    with pytest.raises(ConfigError, match=match):
        assemble(names, before, after, sentence=sentence)


def test_gradient_reaches_each_context_token_once_a_class():
    names = random_names([1, 4, 2])
    before = torch.zeros(1, 2, 3, WIDTH, requires_grad=True)
    after = torch.zeros(3, 2, 2, WIDTH, requires_grad=True)
    assemble(names, before, after).embeddings.sum().backward()
    assert_close(before.grad, torch.full_like(before, 3.0))
    assert_close(after.grad, torch.ones_like(after))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_names_are_cast_to_the_dtype_of_the_context(dtype):
    found = assemble(random_names([2, 1]), torch.randn(1, 1, 2, WIDTH, dtype=dtype))
    assert found.embeddings.dtype == dtype
