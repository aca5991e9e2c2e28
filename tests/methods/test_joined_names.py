"""Prompts of every method end where open_clip ends the whole sentences, for names that join."""

import open_clip
import pytest
import torch

import plp
from plp.structures import NameTokens

NAMES = ["kite (bird of prey)", "drake", "C++", "what?", "Sgt.", "100%"]
NEW = ["crane (bird)", "crane (machine)", "Yahoo!"]
METHODS = [
    "coop/vitb16_16shot", "coop/vitb16_16shot_words", "cocoop/vitb16_16shot",
    "kgcoop/vitb16_16shot", "prograd/vitb16_16shot", "locoop/vitb16_16shot", "plot/vitb16_16shot",
    "plot/vitb16_16shot_global", "taskres/vitb16_16shot", "clip_adapter/vitb16_16shot",
    "tip_adapter/vitb16_16shot", "zeroshot/vitb16_16shot_clip7", "zeroshot/vitb16_16shot_clip80",
    "gallop/vitb16_16shot", "sotglp/vitb16_16shot",
]  # fmt: skip


@pytest.fixture(scope="module")
def tokenizer():
    return open_clip.SimpleTokenizer()


def ends(prompt, names: NameTokens, embed_dim: int) -> list[list[int]]:
    pooled = (torch.zeros(1, embed_dim),) if prompt.source.sees_images else ()
    return prompt(names, *pooled).end.tolist()


def whole(tokenizer, text: str) -> int:
    ids = tokenizer([text.replace("[v]", "x")])[0]
    return int(ids.argmax())


def check(learner, names, tokenizer):
    for branches in (learner.branches, learner.references):
        for branch, prompt in branches.prompts.items():
            found = ends(prompt, learner.names, learner.backbone.embed_dim)
            texts = prompt.describe()
            expected = [[whole(tokenizer, t.replace("{}", name)) for t in texts] for name in names]
            assert found == expected, branch


@pytest.mark.parametrize("method", METHODS)
def test_end_tokens(root, tiny_options, tokenizer, method):
    learner = plp.build_learner(root / "configs" / f"{method}.py", NAMES, tiny_options)
    check(learner, NAMES, tokenizer)
    if not learner.branches.bound_to_classes:
        learner.set_class_names(NEW)
        check(learner, NEW, tokenizer)


def test_texts_are_those_of_the_whole_sentences(root, tiny_options, tokenizer):
    """Through learner and text tower, as `plp predict` uses them; CoOp started as words."""
    config = root / "configs" / "coop" / "vitb16_16shot_words.py"
    learner = plp.build_learner(config, NAMES, tiny_options)
    with torch.no_grad():
        found = learner.encode_text()["global"][:, 0]
        tokens = tokenizer([f"a photo of a {name}." for name in NAMES])
        expected = learner.backbone.model.encode_text(tokens)
    torch.testing.assert_close(found, expected, atol=2e-5, rtol=1e-5)
