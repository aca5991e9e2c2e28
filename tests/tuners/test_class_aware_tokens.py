"""TCP's tokens against a loop over the modules of open_clip, switched off, and refused."""

import pytest
import torch
from open_clip.tokenizer import SimpleTokenizer
from torch.nn import functional as F
from torch.testing import assert_close
from unchecked import as_installed

from plp.backbones import OpenCLIPBackbone
from plp.errors import ConfigError
from plp.prompts import SharedContext, TemplatePrompt
from plp.registry import TUNERS
from plp.tuners import TextContext

NAMES = ("ox", "kite (bird)", "great grey owl")
T, BLOCK, HIDDEN, PLACES = 3, 1, 5, 40


@pytest.fixture(scope="module")
def backbone():
    """Towers of other widths and depths than each other, and a joint space of another."""
    config = dict(
        embed_dim=24,
        vision_cfg=dict(width=64, layers=2, head_width=32, image_size=32, patch_size=16),
        text_cfg=dict(width=32, layers=3, heads=2, vocab_size=49408, context_length=PLACES),
    )
    torch.manual_seed(0)
    return OpenCLIPBackbone("tiny", None, model_config=config)


@pytest.fixture(scope="module")
def prompt(backbone):
    torch.manual_seed(1)
    return SharedContext(
        num_tokens=T, suffix=".", embed_words=backbone.embed_words, num_classes=len(NAMES),
        token_dim=backbone.token_dim,
    )  # fmt: skip


def build(backbone, prompts, **keywords):
    config = dict(type="ClassAwareTokens", block=BLOCK, num_tokens=T, hidden=HIDDEN) | keywords
    torch.manual_seed(2)
    return TUNERS.build(config, backbone=backbone, prompts=prompts, num_classes=len(NAMES))


def frozen_texts(templates):
    """Return frozen texts [C, N, E] of lengths that differ."""
    generator = torch.Generator().manual_seed(3)
    texts = torch.randn(len(NAMES), templates, 24, generator=generator)
    return texts * torch.linspace(0.5, 2.0, templates)[:, None]


def encode(backbone, prompt, tuner, frozen, classes=(0, 1, 2)):
    """Encode the texts of some classes with the tuner's tokens."""
    classes = torch.tensor(classes)
    tokens = prompt(backbone.embed_words([NAMES[c] for c in classes]))
    return backbone.encode_text(tokens, tuner.text_points(TextContext(classes, lambda _: frozen)))


def by_hand(backbone, prompt, tuner, frozen):
    """Equations 5 to 7, one class at a time, padded as open_clip pads."""
    model, tokenizer, found = backbone.model, SimpleTokenizer(), []
    for name, own in zip(NAMES, frozen, strict=True):
        text = F.normalize(torch.stack([one / one.norm() for one in own]).mean(0), dim=0)
        h = tuner.meta_in_weight @ text + tuner.meta_in_bias
        h = h / (1 + torch.exp(-1.702 * h))
        tokens = (tuner.meta_out_weight @ h + tuner.meta_out_bias).view(T, 32)
        ids = tokenizer.encode(f"{name}.")
        ids = [tokenizer.sot_token_id, *[0] * T, *ids, tokenizer.eot_token_id]
        embedded = model.token_embedding(torch.tensor([ids + [0] * (PLACES - len(ids))])).clone()
        embedded[0, 1 : 1 + T] = prompt.context[0]
        x = embedded + model.positional_embedding
        mask = torch.full((PLACES, PLACES), float("-inf")).triu(1)
        for j, block in enumerate(model.transformer.resblocks):
            if j == BLOCK:
                x = torch.cat([x[:, :1], tokens[None], x[:, 1 + T :]], dim=1)
            n = block.ln_1(x)
            x = x + block.attn(n, n, n, need_weights=False, attn_mask=mask)[0]
            x = x + block.mlp(block.ln_2(x))
        found.append(model.ln_final(x)[:, len(ids) - 1] @ model.text_projection)
    return torch.cat(found)[:, None]


@pytest.mark.parametrize("templates", [1, 3])
def test_a_loop_by_hand_gives_the_same_texts_and_gradients(backbone, prompt, templates):
    tuner, frozen = build(backbone, {"global": prompt}), frozen_texts(templates)
    learned = [prompt.context, *tuner.parameters()]
    weight = torch.randn(len(NAMES), 1, 24, generator=torch.Generator().manual_seed(4))
    ends = []
    for way in (encode, by_hand):
        text = way(backbone, prompt, tuner, frozen)
        ends.append((text, torch.autograd.grad((text * weight).sum(), learned)))
    (found, grads), (expected, expected_grads) = ends
    assert_close(found, expected, rtol=1e-5, atol=1e-5 * float(expected.detach().abs().max()))
    for one, other in zip(grads, expected_grads, strict=True):
        assert_close(one, other, rtol=0, atol=1e-5 * float(other.abs().max()))


def test_classes_in_parts_have_their_own_tokens(backbone, prompt):
    tuner, frozen = build(backbone, {"global": prompt}), frozen_texts(1)
    with torch.no_grad():
        whole = encode(backbone, prompt, tuner, frozen)
        parts = [encode(backbone, prompt, tuner, frozen, part) for part in ((2, 0), (1,))]
    assert_close(whole[[2, 0]], parts[0], rtol=1e-5, atol=1e-6)
    assert_close(whole[[1]], parts[1], rtol=1e-5, atol=1e-6)
    assert not torch.allclose(whole[:1], encode(backbone, prompt, tuner, frozen.flip(0), (0,)))


def test_without_a_block_it_is_the_plain_method_bit_for_bit(backbone, prompt):
    tuner = build(backbone, {"global": prompt}, block=None)
    assert not tuner.acts_on_texts
    plain = backbone.encode_text(prompt(backbone.embed_words(NAMES)))
    assert torch.equal(encode(backbone, prompt, tuner, frozen_texts(1)), plain)


def test_another_number_of_tokens_than_the_contexts_is_refused(backbone, prompt):
    """More would replace tokens of the class names, fewer leave some of the context."""
    for tokens in (T - 1, T + 1):
        with pytest.raises(ConfigError, match=f"num_tokens={tokens} with a context of {T} tokens"):
            build(backbone, {"global": prompt}, num_tokens=tokens)


def test_prompts_without_a_context_in_front_are_refused(backbone):
    prompt = TemplatePrompt(embed_words=backbone.embed_words)
    with pytest.raises(ConfigError, match="expected learned context in front of the class name"):
        build(backbone, {"global": prompt})


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        (dict(block=3), "the text tower has blocks 0 to 2, got 3"),
        (dict(num_tokens=0), "expected num_tokens to be an integer >= 1, got 0"),
        (dict(hidden=True), "expected hidden to be an integer >= 1, got True"),
    ],
)
def test_bad_numbers_are_refused(backbone, prompt, keywords, message):
    with as_installed(), pytest.raises(ConfigError, match=message):
        build(backbone, {"global": prompt}, **keywords)
