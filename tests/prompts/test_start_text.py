"""How a prompt starts, said for people."""

import torch
from cases import toy_words
from torch import nn

from plp.prompts import Prompt, TemplatePrompt, assemble


class Offset(Prompt):
    """A prompt of a user's own that says nothing about its start."""

    num_prompts = 1

    def __init__(self):
        super().__init__()
        self.context = nn.Parameter(torch.zeros(1, 2, 8))

    def forward(self, names, *_):
        return assemble(names, before=self.context)

    def describe(self):
        return ["[v] [v] {}"]


def test_without_a_word_it_is_learned_or_fixed():
    prompt = Offset()
    assert prompt.start_text == "learned"
    prompt.context.requires_grad_(False)
    assert prompt.start_text == "fixed"
    assert TemplatePrompt(embed_words=toy_words).start_text == "fixed"


def test_what_the_prompt_says_holds():
    prompt = Offset()
    prompt.start_text = "zeros"
    assert prompt.start_text == "zeros"
    assert "start_text" not in dict(prompt.named_buffers()) | dict(prompt.named_parameters())
