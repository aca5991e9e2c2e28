"""The prompts of some classes at a time are those of all classes, cut."""

import pytest
import torch
from cases import PROMPT_INPUTS, toy_words
from torch.testing import assert_close

from plp.prompts import ClassContext, SharedContext, TemplatePrompt
from plp.prompts.base import Prompt
from plp.testing.tensor_bytes import PeakTensorBytes

NAMES = toy_words(("cat", "old oak tree", "red car"))
KINDS = {
    "shared": lambda: SharedContext(2, num_tokens=3, suffix=".", **PROMPT_INPUTS),
    "classes": lambda: ClassContext(2, num_tokens=4, position="middle", **PROMPT_INPUTS),
    "templates": lambda: TemplatePrompt(
        ["a photo of a {}.", "{} texture"], embed_words=PROMPT_INPUTS["embed_words"]
    ),
}


GROUPS = {
    "as they lie": [[0, 1], [2]],
    "together": [[0, 1, 2]],
    "shuffled": [[2, 0], [1]],
    "some": [[2], [0]],
}


def groups_of(name):
    return [torch.tensor(group) for group in GROUPS[name]]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("groups", GROUPS)
def test_parts_are_the_whole_cut(kind, groups):
    prompt = KINDS[kind]()
    whole = prompt(NAMES)
    groups = groups_of(groups)
    for parts in (prompt.parts(NAMES, groups), Prompt.parts(prompt, NAMES, groups)):
        for part, group in zip(parts, groups, strict=True):
            made = part()
            length = int(made.end.max()) + 1
            assert torch.equal(made.embeddings[:, :, :length], whole.embeddings[group, :, :length])
            assert torch.equal(made.end, whole.end[group])
            assert made.shared >= whole.shared  # one class shares with itself


@pytest.mark.parametrize("kind", KINDS)
def test_a_part_is_padded_to_its_own_longest(kind):
    longest = KINDS[kind]()(NAMES).embeddings.shape[2]
    short, long = KINDS[kind]().parts(NAMES, [torch.tensor([0]), torch.tensor([2, 1])])
    assert short().embeddings.shape[2] == longest - 2  # "cat", "old oak tree"
    assert long().embeddings.shape[2] == longest


@pytest.mark.parametrize("kind", ["shared", "classes"])
@pytest.mark.parametrize("groups", ["as they lie", "shuffled"])
def test_the_gradient_of_parts_is_that_of_the_whole(kind, groups):
    prompt = KINDS[kind]()
    weight = torch.randn(prompt(NAMES).embeddings.shape)
    (prompt(NAMES).embeddings * weight).sum().backward()
    expected = prompt.context.grad
    prompt.context.grad = None
    for group, part in zip(groups_of(groups), prompt.parts(NAMES, groups_of(groups)), strict=True):
        made = part().embeddings
        (made * weight[group, :, : made.shape[2]]).sum().backward(retain_graph=True)
    assert_close(prompt.context.grad, expected)


@pytest.mark.parametrize("kind", KINDS)
def test_a_part_is_made_when_asked_for(kind):
    """Until then it holds no tokens, nor rows of the context in another order."""
    prompt = KINDS[kind]()
    with PeakTensorBytes() as used:
        parts = prompt.parts(NAMES, groups_of("shuffled"))
    assert used.live < 64, parts
