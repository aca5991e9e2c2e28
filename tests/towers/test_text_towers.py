"""Text towers: prompts through plp against open_clip's own `encode_text(tokenizer(...))`."""

import pytest
import torch
from open_clip.tokenizer import HFTokenizer, SimpleTokenizer
from torch.testing import assert_close
from towers.text_cases import CASES

from plp.backbones import OpenCLIPBackbone
from plp.errors import ConfigError
from plp.learners.class_names import name_tokens
from plp.prompts import SharedContext, TemplatePrompt
from plp.structures import PromptTokens
from plp.towers.select import read_text

TOLERANCE = {"atol": 1e-5, "rtol": 1e-5}
NAMES = ["ox", "kite (bird)", "great grey owl", "ox."]
TEMPLATE = "a pic of a {}."
TEXT = {"width": 32, "heads": 2, "layers": 2, "context_length": 48}
VISION = {"image_size": 32, "patch_size": 16, "width": 32, "layers": 1, "head_width": 16}


@pytest.fixture(scope="module", params=CASES)
def backbone(request, tmp_path_factory):
    text = {**TEXT, **CASES[request.param](tmp_path_factory.mktemp("text"))}
    later = {key: text.pop(key) for key in ("use_pad_mask", "correct_cls_mask") if key in text}
    config = {"embed_dim": 24, "vision_cfg": VISION, "text_cfg": text, "custom_text": True}
    built = OpenCLIPBackbone("tiny", None, model_config=config, quick_gelu=False)
    for key, value in later.items():  # open_clip's tower has them, its config does not
        setattr(built.model.text, key, value)
    built._text = read_text(built.model, text)
    generator = torch.Generator().manual_seed(0)
    for _, parameter in sorted(built.model.named_parameters()):  # nothing stays at zero or one
        parameter.add_(0.2 * torch.randn(parameter.shape, generator=generator))
    return built


def own(backbone, sentences):
    """Return the features that open_clip gives whole sentences, padded as it pads them."""
    tokens = backbone._text.tokens
    options = getattr(tokens, "_options", {})
    name = getattr(tokens, "_name", None)
    if name is None:
        tokenizer = SimpleTokenizer(context_length=backbone.context_length)
    else:
        tokenizer = HFTokenizer(name, context_length=backbone.context_length, **options)
    text = getattr(backbone.model, "text", backbone.model)
    features = text(tokenizer(sentences))
    return features[0] if isinstance(features, tuple) else features


def filled(backbone, template, names):
    tokens = name_tokens(names, backbone.embed_words)
    return TemplatePrompt([template], embed_words=backbone.embed_words)(tokens)


@torch.no_grad()
@pytest.mark.parametrize("names", [NAMES, NAMES[:1], NAMES[2:]], ids=len)
@pytest.mark.parametrize("template", [TEMPLATE, "a {}", "{}."])
def test_templates_give_the_librarys_own_features(backbone, template, names):
    found = backbone.encode_text(filled(backbone, template, names))[:, 0]
    expected = own(backbone, [template.format(name) for name in names])
    assert_close(found, expected, **TOLERANCE)


@torch.no_grad()
def test_a_context_that_starts_as_words_gives_the_same_features(backbone):
    prompt = SharedContext(
        1, words="a pic of a", suffix=".", embed_words=backbone.embed_words, num_classes=len(NAMES),
        token_dim=backbone.token_dim,
    )  # fmt: skip
    found = backbone.encode_text(prompt(name_tokens(NAMES, backbone.embed_words)))[:, 0]
    assert_close(found, own(backbone, [TEMPLATE.format(n) for n in NAMES]), **TOLERANCE)


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


def test_gradient_is_that_of_a_difference(backbone):
    prompts = filled(backbone, TEMPLATE, NAMES[:2])
    embeddings = prompts.embeddings.double().requires_grad_()
    backbone.double()
    try:
        direction = torch.randn(embeddings.shape, generator=torch.Generator().manual_seed(3))
        weight = torch.randn(2, 1, 24, generator=torch.Generator().manual_seed(4)).double()

        def value(at):
            return (backbone.encode_text(prompts._replace(embeddings=at)) * weight).sum()

        (gradient,) = torch.autograd.grad(value(embeddings), embeddings)
        # T5's layer norm computes in float32 whatever it is given.
        rounded = type(getattr(backbone.model.text, "transformer", None)).__name__ == "MT5Stack"
        size, rtol = (1e-3, 1e-2) if rounded else (1e-5, 1e-6)
        step = size * direction.double()
        with torch.no_grad():
            difference = (value(embeddings + step) - value(embeddings - step)) / (2 * size)
        assert_close((gradient * direction).sum(), difference, atol=1e-6, rtol=rtol)
    finally:
        backbone.float()


def test_a_text_that_does_not_fit_is_named(backbone):
    with pytest.raises(ConfigError, match=r"has \d+ tokens; expected at most \d+ "):
        backbone.embed_words(["ox", "ox " * 60])


def test_a_small_vocabulary_without_a_tokenizer_is_refused():
    text = {**TEXT, "vocab_size": 1000}
    config = {"embed_dim": 24, "vision_cfg": VISION, "text_cfg": text}
    backbone = OpenCLIPBackbone("tiny", None, model_config=config)
    assert backbone.encode_image(torch.zeros(1, 3, 32, 32)).pooled.shape == (1, 24)
    with pytest.raises(ConfigError, match=r"knows 1000 tokens.*hf_tokenizer_name"):
        backbone.embed_words(["ox"])
