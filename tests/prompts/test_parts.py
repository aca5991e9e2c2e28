"""The prompts of some classes at a time are those of all classes, cut."""

import pytest
import torch
from cases import PROMPT_INPUTS, toy_words
from torch.testing import assert_close

from plp.prompts import ClassContext, SharedContext, TemplatePrompt
from plp.prompts.base import Prompt

NAMES = toy_words(("cat", "old oak tree", "red car"))
KINDS = {
    "shared": lambda: SharedContext(2, num_tokens=3, suffix=".", **PROMPT_INPUTS),
    "classes": lambda: ClassContext(2, num_tokens=4, position="middle", **PROMPT_INPUTS),
    "templates": lambda: TemplatePrompt(
        ["a photo of a {}.", "{} texture"], embed_words=PROMPT_INPUTS["embed_words"]
    ),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [1, 2, 3, 9])
def test_parts_are_the_whole_cut(kind, size):
    prompt = KINDS[kind]()
    whole = prompt(NAMES)
    for lean in (prompt.parts(NAMES, size), Prompt.parts(prompt, NAMES, size)):
        made = [part() for part in lean]
        assert [len(part.end) for part in made] == [len(e) for e in whole.end.split(size)]
        assert torch.equal(torch.cat([part.embeddings for part in made]), whole.embeddings)
        assert torch.equal(torch.cat([part.end for part in made]), whole.end)
        assert min(part.shared for part in made) >= whole.shared  # one class shares with itself


@pytest.mark.parametrize("kind", ["shared", "classes"])
def test_the_gradient_of_parts_is_that_of_the_whole(kind):
    prompt = KINDS[kind]()
    weight = torch.randn(prompt(NAMES).embeddings.shape)
    (prompt(NAMES).embeddings * weight).sum().backward()
    expected = prompt.context.grad
    prompt.context.grad = None
    made = torch.cat([part().embeddings for part in prompt.parts(NAMES, 2)])
    (made * weight).sum().backward()
    assert_close(prompt.context.grad, expected)


def test_a_part_is_made_when_asked_for():
    """Parts hold a view of the context, not token embeddings."""
    prompt = KINDS["classes"]()
    (first, *_) = prompt.parts(NAMES, 1)
    assert first.inputs[0].untyped_storage().data_ptr() == prompt.context.data_ptr()
