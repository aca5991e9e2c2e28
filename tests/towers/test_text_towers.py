"""Text towers: prompts through plp against open_clip's own `encode_text(tokenizer(...))`."""

import pytest
import torch
from representatives import slow_but
from torch.testing import assert_close
from towers.text_cases import CASES, FEW, write_gemma
from towers.text_oracle import NAMES, TEMPLATE, TEXT, VISION, build, filled, own

from plp.backbones import OpenCLIPBackbone
from plp.errors import ConfigError
from plp.learners.class_names import name_tokens
from plp.prompts import ClassContext, SharedContext
from plp.structures import PromptTokens
from plp.towers.tokens import HFTokens

TOLERANCE = {"atol": 1e-5, "rtol": 1e-5}
LONG = ["ox", "owl " * 60, "kite (bird), " * 20, "a" + "wl" * 50 + " ox"]


@pytest.fixture(scope="module", params=slow_but(FEW, CASES))
def backbone(request, tmp_path_factory):
    return build(request.param, tmp_path_factory.mktemp("text"))


def own_gradient(backbone, sentences, weight):
    """Return the gradient of token embeddings by autograd through open_clip's own forward."""
    tower = getattr(backbone.model, "text", backbone.model)
    inner = getattr(tower, "transformer", None)
    table = inner.get_input_embeddings() if hasattr(inner, "config") else tower.token_embedding
    leaves = []

    def keep(module, inputs, embeddings):
        leaves.append(embeddings.detach().clone().requires_grad_())
        return leaves[0]

    handle = table.register_forward_hook(keep)
    try:
        (own(backbone, sentences) * weight).sum().backward()
    finally:
        handle.remove()
    return leaves[0].grad


@torch.no_grad()
@pytest.mark.parametrize("names", [NAMES, NAMES[:1], NAMES[2:]], ids=len)
@pytest.mark.parametrize("template", [TEMPLATE, "a {}", "{}."])
def test_templates_give_the_librarys_own_features(backbone, template, names):
    found = backbone.encode_text(filled(backbone, template, names))[:, 0]
    expected = own(backbone, [template.format(name) for name in names])
    assert_close(found, expected, **TOLERANCE)


@torch.no_grad()
@pytest.mark.parametrize("template", [TEMPLATE, "{}", "a {}, a kind of thing that one sees."])
def test_sentences_that_are_too_long_are_cut_as_the_tokenizer_cuts_them(backbone, template):
    prompts = filled(backbone, template, LONG)
    assert int(prompts.end.max()) == backbone.context_length - 1
    assert prompts.shortened[:, 0].tolist()[1:] == [True] * 3
    expected = own(backbone, [template.format(name) for name in LONG])
    assert_close(backbone.encode_text(prompts)[:, 0], expected, **TOLERANCE)


@torch.no_grad()
@pytest.mark.parametrize("more", [0, 1])
def test_a_sentence_that_just_fits_is_not_cut(backbone, more):
    room = backbone.embed_words(["x"]).room
    name = "x " * (room - 1 + more)  # a token each
    prompts = filled(backbone, "a {}", [name])
    assert int(prompts.end) == backbone.context_length - 1
    assert bool(prompts.shortened) is bool(more)
    assert_close(backbone.encode_text(prompts)[:, 0], own(backbone, [f"a {name}"]), **TOLERANCE)


@torch.no_grad()
def test_a_context_that_starts_as_words_gives_the_same_features(backbone):
    prompt = started(SharedContext, backbone, len(NAMES + LONG))
    names = [*NAMES, *LONG]
    found = backbone.encode_text(prompt(name_tokens(names, backbone.embed_words)))[:, 0]
    assert_close(found, own(backbone, [TEMPLATE.format(n) for n in names]), **TOLERANCE)


@torch.no_grad()
def test_a_text_does_not_depend_on_its_neighbours(backbone):
    prompts = filled(backbone, TEMPLATE, NAMES)
    together = backbone.encode_text(prompts)
    for c in range(len(NAMES)):
        alone = PromptTokens(prompts.embeddings[c : c + 1], prompts.end[c : c + 1])
        assert_close(backbone.encode_text(alone), together[c : c + 1], **TOLERANCE)


def test_what_follows_the_end_is_not_read_and_gets_no_gradient(backbone):
    prompts = filled(backbone, TEMPLATE, NAMES)
    real = torch.arange(prompts.embeddings.shape[2]) <= prompts.end[..., None]
    noise = torch.where(real[..., None], prompts.embeddings, torch.tensor(7.0)).requires_grad_()
    features = backbone.encode_text(prompts._replace(embeddings=noise))
    assert_close(features, backbone.encode_text(prompts), **TOLERANCE)
    features.square().sum().backward()
    norms = noise.grad.norm(dim=-1)
    assert (norms[~real] == 0).all()
    assert (norms[real] > 0).any()


def test_gradients_are_those_of_the_librarys_own_modules(backbone):
    names = [*NAMES, *LONG]
    prompts = filled(backbone, TEMPLATE, names)
    mine = prompts.embeddings.clone().requires_grad_()
    weight = torch.randn(len(names), 24, generator=torch.Generator().manual_seed(4))
    found = backbone.encode_text(prompts._replace(embeddings=mine, shared=0))[:, 0]
    (found * weight).sum().backward()
    theirs = own_gradient(backbone, [TEMPLATE.format(name) for name in names], weight)
    for c, end in enumerate(prompts.end[:, 0].tolist()):
        close_in_size(mine.grad[c, 0, : end + 1], theirs[c, : end + 1])


def test_gradient_of_a_context_is_that_of_the_librarys_own_modules(backbone):
    names = [*NAMES, *LONG]
    weight = torch.randn(len(names), 24, generator=torch.Generator().manual_seed(4))
    theirs = own_gradient(backbone, [TEMPLATE.format(name) for name in names], weight)
    for kind in (SharedContext, ClassContext):
        prompt = started(kind, backbone, len(names))
        texts = backbone.encode_text(prompt(name_tokens(names, backbone.embed_words)))[:, 0]
        (texts * weight).sum().backward()
        first = len(backbone._text.tokens.frame.start)
        expected = theirs[:, first : first + prompt.context.shape[-2]]
        if kind is SharedContext:
            expected = expected.sum(0)
        close_in_size(prompt.context.grad.reshape(expected.shape), expected)


def close_in_size(found, expected):
    """Compare to 1e-5 of the largest number."""
    assert_close(found, expected, atol=1e-5 * float(expected.abs().max()), rtol=1e-5)


def started(kind, backbone, classes):
    return kind(
        1, words="a pic of a", suffix=".", embed_words=backbone.embed_words, num_classes=classes,
        token_dim=backbone.token_dim,
    )  # fmt: skip


def test_a_tokenizer_that_pads_in_front_is_refused(tmp_path):
    folder = str(write_gemma(tmp_path))
    settings = tmp_path / "tokenizer_config.json"
    settings.write_text(settings.read_text().replace('"right"', '"left"'))
    with pytest.raises(ConfigError, match=r"in front of texts \(padding_side='left'\)"):
        _ = HFTokens(folder).frame


def test_a_small_vocabulary_without_a_tokenizer_is_refused():
    text = {**TEXT, "vocab_size": 1000}
    config = {"embed_dim": 24, "vision_cfg": VISION, "text_cfg": text}
    backbone = OpenCLIPBackbone("tiny", None, model_config=config)
    assert backbone.encode_image(torch.zeros(1, 3, 32, 32)).pooled.shape == (1, 24)
    with pytest.raises(ConfigError, match=r"knows 1000 tokens.*hf_tokenizer_name"):
        backbone.embed_words(["ox"])
