"""Learned context: how it starts, where the class name stands, what is refused."""

import math

import pytest
import torch
from cases import NUM_CLASSES, PROMPT_INPUTS, TOKEN_DIM, toy_words
from torch.testing import assert_close
from unchecked import as_installed

from plp.prompts import ClassContext, SharedContext

NAMES = toy_words(("cat", "old oak tree", "red car"))
BOTH = pytest.mark.parametrize("kind", [SharedContext, ClassContext])


def text_of(prompt, c=1, n=0):
    """Token embeddings of one text, start and end included."""
    embeddings, end, *_ = prompt(NAMES)
    return embeddings[c, n, : end[c, n] + 1]


@BOTH
@pytest.mark.parametrize(
    ("position", "expected"),
    [
        ("end", "<start> one two three old oak tree <end>"),
        ("middle", "<start> one old oak tree two three <end>"),
        ("front", "<start> old oak tree one two three <end>"),
    ],
)
def test_position_of_the_class_name(kind, position, expected):
    prompt = kind(2, words="one two three", position=position, **PROMPT_INPUTS)
    assert_close(text_of(prompt, n=1), toy_words([expected]).embeddings[0], atol=0, rtol=0)


@BOTH
@pytest.mark.parametrize(
    ("position", "expected"),
    [
        ("end", "<start> one two red car . so <end>"),
        ("middle", "<start> one red car two . so <end>"),
        ("front", "<start> red car one two . so <end>"),
    ],
)
def test_the_suffix_stands_last_and_is_not_learned(kind, position, expected):
    prompt = kind(words="one two", position=position, suffix=". so", **PROMPT_INPUTS)
    assert_close(text_of(prompt, c=2), toy_words([expected]).embeddings[0], atol=0, rtol=0)
    assert list(prompt.state_dict()) == ["context"]


def test_words_start_as_their_token_embeddings():
    words = toy_words(["a photo of a"]).embeddings  # [1, T, D]
    shared = SharedContext(3, words="a photo of a", **PROMPT_INPUTS)
    assert torch.equal(shared.context.detach(), words.expand(3, -1, -1))
    classes = ClassContext(2, words="a photo of a", **PROMPT_INPUTS)
    assert torch.equal(classes.context.detach(), words.expand(NUM_CLASSES, 2, -1, -1))
    each = SharedContext(2, words=["one view of", "a picture of"], **PROMPT_INPUTS)
    assert torch.equal(each.context.detach(), toy_words(["one view of", "a picture of"])[0])
    assert shared.context.dtype == torch.float32
    assert shared.context.requires_grad


@BOTH
@pytest.mark.parametrize(
    ("num_tokens", "fill", "start", "expected"),
    [
        (2, "zeros", "one two", "<start> one two three old oak tree . <end>"),
        (3, "zeros", "one two three", "<start> one two three old oak tree . <end>"),
        (5, "zeros", "0 0 one two three", "<start> 0 0 one two three old oak tree . <end>"),
        (2, "end_token", "one two", "<start> one two three old oak tree . <end>"),
        (4, "end_token", "one two three <end>", "<start> one two three <end> oak tree . <end>"),
    ],
)
def test_some_of_the_words_are_learned(kind, num_tokens, fill, start, expected):
    """MaPLe, ProGrad, PLOT++: the others stay where they are, in front of the name."""
    keywords = dict(words="one two three", num_tokens=num_tokens, fill=fill, suffix=" .")
    prompt = kind(2, **keywords, **PROMPT_INPUTS)
    rows = embedded_with_zeros(start)
    assert torch.equal(prompt.context.detach(), rows.expand(prompt.context.shape))
    assert_close(text_of(prompt, n=1), embedded_with_zeros(expected), atol=0, rtol=0)
    assert list(prompt.state_dict()) == ["context"]
    (grad,) = torch.autograd.grad(prompt(NAMES).embeddings.sum(), prompt.context)
    assert (grad == (NUM_CLASSES if kind is SharedContext else 1)).all()
    groups = torch.arange(3).split(2)
    whole, parts = prompt(NAMES), [part() for part in prompt.parts(NAMES, groups)]
    for part, group in zip(parts, groups, strict=True):
        for c, row in zip(group, part.embeddings, strict=True):
            end = part.end[c - group[0], 0] + 1
            assert torch.equal(row[:, :end], whole.embeddings[c, :, :end])


def embedded_with_zeros(text):
    """Token embeddings of words, zeros for `0`."""
    tokens = toy_words([text]).embeddings[0].clone()
    tokens[[word == "0" for word in text.split()]] = 0
    return tokens


def test_prompts_of_which_different_words_are_not_learned():
    """PLOT++: templates of three, two and four words, of which three tokens are learned."""
    words = ["one two three", "one two", "one two three four"]
    keywords = dict(words=words, num_tokens=3, suffix=" .", **PROMPT_INPUTS)
    zeros, ended = (SharedContext(3, fill=fill, **keywords) for fill in ("zeros", "end_token"))
    texts = ["one two three cat .", "0 one two cat .", "one two three four cat ."]
    lost = [texts[0], "one two <end> .", texts[2]]
    for prompt, told in ((zeros, texts), (ended, lost)):
        for n, text in enumerate(told):
            expected = embedded_with_zeros(f"<start> {text} <end>")
            assert_close(text_of(prompt, c=0, n=n), expected, atol=0, rtol=0)
    assert zeros.describe() == ["one two three {} .", "[v] one two {} .", "one two three four {} ."]
    assert zeros(NAMES).shared == 4, "the prefix that all texts share stays shared"


def test_prompts_and_classes_do_not_share_memory():
    prompt = ClassContext(2, words="a photo", **PROMPT_INPUTS)
    with torch.no_grad():
        prompt.context[0, 0] = 7
    assert not (prompt.context[1:] == 7).any()
    assert not (prompt.context[0, 1] == 7).any()


@pytest.mark.parametrize(
    ("kind", "shape", "bound"),
    [
        (ClassContext, (NUM_CLASSES, 2, 4, TOKEN_DIM), math.sqrt(6 / ((3 + 2) * 4 * TOKEN_DIM))),
        (SharedContext, (2, 4, TOKEN_DIM), math.sqrt(6 / ((2 + 4) * TOKEN_DIM))),
    ],
)
def test_xavier_over_the_whole_tensor(kind, shape, bound):
    torch.manual_seed(5)
    prompt = kind(2, num_tokens=4, init="xavier_uniform", **PROMPT_INPUTS)
    torch.manual_seed(5)
    expected = torch.nn.init.xavier_uniform_(torch.empty(shape))
    assert torch.equal(prompt.context.detach(), expected)
    assert 0.8 * bound < expected.abs().max() <= bound
    assert prompt.start_text == f"xavier-uniform over {list(shape)}, bound {bound:.4g}"


@pytest.mark.parametrize(("std", "expected"), [(None, 0.02), (0.5, 0.5)])
def test_normal_has_its_standard_deviation(std, expected):
    torch.manual_seed(0)
    prompt = SharedContext(10, num_tokens=100, std=std, **PROMPT_INPUTS)
    assert_close(prompt.context.std().item(), expected, rtol=0.05, atol=0)
    assert prompt.start_text == f"normal, standard deviation {expected:g}"


@BOTH
def test_a_step_draws_some_of_the_prompts(kind):
    """In training with a gradient, whole or by parts; each drawn once, for all classes alike."""
    words = ["one", "two", "three", "four"]
    prompt = kind(4, words=words, prompts_a_step=2, **PROMPT_INPUTS)
    all_four = kind(4, words=words, **PROMPT_INPUTS)(NAMES).embeddings
    seen = set()
    for seed in range(20):
        torch.manual_seed(seed)
        made = prompt(NAMES)
        torch.manual_seed(seed)
        drawn = torch.randperm(4)[:2]
        assert torch.equal(made.embeddings, all_four[:, drawn])
        torch.manual_seed(seed)
        parts = [part() for part in prompt.parts(NAMES, torch.arange(3).split(2))]
        assert torch.equal(parts[0].embeddings, all_four[:2, drawn, : parts[0].embeddings.shape[2]])
        (grad,) = torch.autograd.grad(made.embeddings.sum(), prompt.context)
        used = grad.reshape(-1, 4, grad.shape[-2] * grad.shape[-1]).abs().sum((0, 2)) > 0
        assert set(used.nonzero().flatten().tolist()) == set(drawn.tolist())
        seen |= set(drawn.tolist())
    assert seen == {0, 1, 2, 3}
    with torch.no_grad():
        assert torch.equal(prompt(NAMES).embeddings, all_four)
    assert torch.equal(prompt.eval()(NAMES).embeddings, all_four)


def test_describe():
    words = SharedContext(2, words=["a photo of", "one view of"], suffix=".", **PROMPT_INPUTS)
    assert words.describe() == ["a photo of {}.", "one view of {}."]
    assert words.start_text == "words 'a photo of'"
    middle = ClassContext(1, num_tokens=3, position="middle", **PROMPT_INPUTS)
    assert middle.describe() == ["[v] {} [v] [v]"]
    assert SharedContext(num_tokens=1, position="front", **PROMPT_INPUTS).describe() == ["{} [v]"]


def test_the_printed_module_says_how_it_starts():
    printed = repr(SharedContext(2, words="a photo of", position="front", **PROMPT_INPUTS))
    assert "context=[2, 3, 8], start=words 'a photo of', position='front'" in printed


def test_class_context_refuses_other_classes():
    prompt = ClassContext(num_tokens=2, **PROMPT_INPUTS)
    with pytest.raises(ValueError, match=r"expected the 3 classes .* got 2; only shared context"):
        prompt(toy_words(("cat", "dog")))
    assert not prompt.supports_new_classes


@BOTH
@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        (dict(), "expected words= .*, num_tokens= .* or both .*, got neither"),
        (dict(words="a", num_tokens=0), "expected num_tokens to be an integer >= 1, got 0"),
        (dict(words="a", num_tokens=2, position="front"), "position 'end' with both .* 'front'"),
        (dict(words="a", num_tokens=1, prompts_a_step=1), "prompts_a_step=1 does not go with both"),
        (dict(words="a", num_tokens=1, fill="mean"), "'zeros' or 'end_token', got 'mean'"),
        (dict(words=" ", num_tokens=1), "expected words of at least one token, got ' '"),
        (dict(words="a", num_tokens=3, fill="end_token"), r"at least 2 tokens .* got 'a' \(1\)"),
        (dict(num_prompts=0, words="a"), "expected num_prompts to be an integer >= 1, got 0"),
        (dict(num_tokens=0), "expected num_tokens to be an integer >= 1, got 0"),
        (dict(num_tokens=-2), "expected num_tokens to be an integer >= 1, got -2"),
        (dict(words="a", init="normal"), "init='normal' .* do not go with words='a'"),
        (dict(words="a", std=0.1), "std=0.1 do not go with words='a'"),
        (dict(num_tokens=2, init="xavier_uniform", std=0.1), "std=0.1 goes with init='normal'"),
        (dict(num_tokens=2, init="zeros"), "'normal' or 'xavier_uniform', got 'zeros'"),
        (dict(num_tokens=2, std=-0.1), "expected std to be a finite number >= 0, got -0.1"),
        (dict(words="a", position="left"), "'end', 'middle' or 'front', got 'left'"),
        (dict(num_prompts=3, words=["a", "b"]), r"one text or 3 \(num_prompts\), got 2"),
        (dict(num_prompts=2, words=["a b", "c"]), r"same number of tokens.*'a b' \(2\), 'c' \(1\)"),
        (dict(words=" "), r"at least one, got ' ' \(0\)"),
        (dict(num_prompts=2, words="a", prompts_a_step=3), "from 1 to 2 .* or None, got 3"),
        (dict(num_prompts=2, words="a", prompts_a_step=0), "from 1 to 2 .* or None, got 0"),
        (dict(words=[]), r"one text or 1 \(num_prompts\), got 0"),
    ],
)
def test_refused(kind, keywords, message):
    with as_installed(), pytest.raises(ValueError, match=message):
        kind(**keywords, **PROMPT_INPUTS)
