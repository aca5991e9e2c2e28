"""Tokens of a prompt are those of open_clip for the whole sentence, whatever the name is."""

from collections.abc import Sequence

import open_clip
import pytest
import torch

from plp.datasets.imagenet_classes import clip_names
from plp.learners.class_names import name_tokens
from plp.prompts import ClassContext, ImageContext, SharedContext, TemplatePrompt, template_set
from plp.structures import NameTokens

ODD = [
    "C++", "Sgt.", "what?", "100%", "kite (bird of prey)", "'quoted'", '"double"', "D'Artagnan's",
    "rock 'n' roll", "Yahoo!", "wow!!!", "dr. who...", "a/b", "R&D", "AT&T;", "#1", "@home", "$5",
    "C#", "[sic]", "{brace}", "50/50", "Straße", "café (small)", "naïve…", "北京", "Ελλάδα", "ΟΔΟΣ",
    "don't", "users'", "x_y", "_under_", "smile 🙂", "(parenthesis", "d", "s", "re", "ll", "a b c.",
    "né", "Å)", "«quoted»", "50 €", "№ 5", "x²", "1.5", "v2.0.", "-", "--", "O'", "…",
]  # fmt: skip
TEMPLATES = [
    "a photo of a {}.", "a {} in a video game.", "art of the {}.", "{}", "'{}'.", '"{}"', "({})...",
    "the class ({}), seen from above!", "{}?", "{}'s.", "a ({} )", "see '{}', please.", "#{}",
]  # fmt: skip


@pytest.fixture(scope="module")
def tokenizer():
    return open_clip.SimpleTokenizer()


@pytest.fixture(scope="module")
def ids_as_embeddings(tokenizer):
    """Look token ids up, in place of embeddings of width one."""

    def embed_words(texts: Sequence[str]) -> NameTokens:
        rows = [tokenizer.encode(text) for text in texts]
        embeddings = torch.zeros(len(rows), max(map(len, rows)), 1)
        for padded, row in zip(embeddings, rows, strict=True):
            padded[: len(row), 0] = torch.tensor(row)
        start, end = (torch.tensor([float(i)]) for i in (tokenizer.sot_token_id, END))
        return NameTokens(embeddings, torch.tensor([len(row) for row in rows]), start, end)

    return embed_words


END = 49407
NAMES = [*clip_names(), *ODD]


def sentences(tokens) -> list[list[list[int]]]:
    """Token ids of each prompt of each class, start and end token included."""
    ids = tokens.embeddings[..., 0].long()
    return [
        [row[: int(end) + 1].tolist() for row, end in zip(rows, ends, strict=True)]
        for rows, ends in zip(ids, tokens.end, strict=True)
    ]


def whole(tokenizer, text: str) -> list[int]:
    """What open_clip makes of a sentence, without its padding."""
    ids = tokenizer([text])[0].tolist()
    return ids[: ids.index(END) + 1]


@pytest.fixture(scope="module")
def names(ids_as_embeddings):
    return name_tokens(NAMES, ids_as_embeddings)


def spelled(template: str, name: str) -> str:
    return template.replace("{}", name.replace("_", " "))


def test_the_reported_sentence(tokenizer, names, ids_as_embeddings):
    prompt = TemplatePrompt(embed_words=ids_as_embeddings)
    place = NAMES.index("kite (bird of prey)")
    assert prompt(names).end[place, 0] == 11
    assert whole(tokenizer, "a photo of a kite (bird of prey).").index(END) == 11


def test_templates(tokenizer, ids_as_embeddings, names):
    templates = [*TEMPLATES, *template_set("clip_7")]
    found = sentences(TemplatePrompt(templates, embed_words=ids_as_embeddings)(names))
    for name, rows in zip(NAMES, found, strict=True):
        for template, ids in zip(templates, rows, strict=True):
            assert ids == whole(tokenizer, spelled(template, name)), (template, name)


SUFFIXES = [".", "", "!", "'s.", ", a texture.", " texture.", ")"]


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("kind", [SharedContext, ClassContext, ImageContext])
def test_words_before_the_name(tokenizer, ids_as_embeddings, names, kind, suffix):
    inputs = dict(embed_words=ids_as_embeddings, num_classes=len(NAMES), token_dim=1)
    texts = ["a photo of a", "one picture of the"]
    pooled = ()
    if kind is ImageContext:
        inputs |= dict(embed_dim=1, reduction=1)
        pooled = (torch.ones(2, 1),)
    prompt = kind(2, words=texts, suffix=suffix, **inputs)
    if kind is ImageContext:
        torch.nn.init.zeros_(prompt.meta[2].weight)
        torch.nn.init.zeros_(prompt.meta[2].bias)
    found = sentences(prompt(names, *pooled))
    images = len(found) // len(NAMES)
    for name, rows in zip(NAMES * images, found, strict=True):
        for words, ids in zip(texts, rows, strict=True):
            assert ids == whole(tokenizer, f"{words} {spelled('{}', name)}{suffix}"), name


@pytest.mark.parametrize("position", ["front", "middle"])
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_name_before_context_by_the_published_rule(
    tokenizer, ids_as_embeddings, names, position, suffix
):
    """Tokens of name and suffix, cut after as many as the bare name has."""
    inputs = dict(embed_words=ids_as_embeddings, num_classes=len(NAMES), token_dim=1)
    words = "a photo of a"
    prompt = SharedContext(words=words, suffix=suffix, position=position, **inputs)
    start, *context, end = whole(tokenizer, words)
    half = 2 if position == "middle" else 0
    for name, (ids,) in zip(NAMES, sentences(prompt(names)), strict=True):
        text = spelled("{}", name)
        _, *both, _ = whole(tokenizer, text + suffix)
        bare = len(tokenizer.encode(text))
        parts = [start, *context[:half], *both[:bare], *context[half:], *both[bare:], end]
        assert ids == parts, name


def test_some_classes_at_a_time(ids_as_embeddings, names):
    """`parts`, which prompts of many classes are made in."""
    inputs = dict(embed_words=ids_as_embeddings, num_classes=len(NAMES), token_dim=1)
    groups = [torch.arange(3, 40), torch.tensor([len(NAMES) - 1, 0, NAMES.index("C++")])]
    shared = SharedContext(words="a photo of a", suffix=".", position="middle", **inputs)
    own = ClassContext(words="a photo of a", suffix=".", **inputs)
    template = TemplatePrompt(["a ({}).", "{}."], embed_words=ids_as_embeddings)
    for prompt in (shared, own, template):
        every = sentences(prompt(names))
        for group, part in zip(groups, prompt.parts(names, groups), strict=True):
            assert sentences(part()) == [every[c] for c in group.tolist()]


@pytest.mark.parametrize("position", ["end", "middle"])
def test_names_known_as_tokens_only_are_followed_by_the_suffix(ids_as_embeddings, position):
    """Such as those that a user's own backbone or test put together."""
    names = name_tokens(["cat", "kite (bird of prey)"], ids_as_embeddings)._replace(touching=None)
    inputs = dict(embed_words=ids_as_embeddings, num_classes=2, token_dim=1)
    context = SharedContext(words="a photo of a", suffix=".", position=position, **inputs)
    template = TemplatePrompt(["a photo of a ({})."], embed_words=ids_as_embeddings)
    assert context(names).end[:, 0].tolist() == [7, 12]
    assert template(names).end[:, 0].tolist() == [8, 13]  # `(` and `).` more
    cat, kite = (row[0] for row in sentences(context(names)))
    assert kite[-2:] == cat[-2:]  # full stop, end


def test_tokens_are_looked_up_once(ids_as_embeddings, monkeypatch):
    asked = []

    def counted(texts):
        asked.extend(texts)
        return ids_as_embeddings(texts)

    names = name_tokens(["cat", "C++"], counted)
    prompt = TemplatePrompt(["a {}.", "the {}.", "{} here."], embed_words=ids_as_embeddings)
    for _ in range(3):
        prompt(names)
        prompt.parts(names, [torch.tensor([1]), torch.tensor([0])])[0]()
    assert asked == ["cat", "C++", "cat.", "C++."]
