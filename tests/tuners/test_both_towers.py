"""MMA's adapters and MMRL's tokens against loops over the modules of open_clip, and switched off.

Both towers have sizes and depths of their own. Nothing of `plp.towers` is used in the loops.
"""

import pytest
import torch
from open_clip.tokenizer import SimpleTokenizer
from torch.nn import functional as F
from torch.testing import assert_close
from towers.family_cases import build_family
from unchecked import as_installed

from plp.backbones import OpenCLIPBackbone
from plp.errors import ConfigError
from plp.prompts import SharedContext
from plp.registry import TUNERS
from plp.tuners import TextContext

NAMES = ("ox", "kite (bird)", "great grey owl")
BLOCKS = dict(image=[1, 3], text=[0, 2])  # of 4 and 3


@pytest.fixture(scope="module")
def backbone():
    config = dict(
        embed_dim=24,
        vision_cfg=dict(width=64, layers=4, head_width=32, image_size=32, patch_size=16),
        text_cfg=dict(width=32, layers=3, heads=2, vocab_size=49408, context_length=40),
    )
    torch.manual_seed(0)
    return OpenCLIPBackbone("tiny", None, model_config=config)


@pytest.fixture(scope="module")
def images():
    return torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(1))


def build(name, backbone, **keywords):
    torch.manual_seed(2)
    prompts = keywords.pop("prompts", {})
    tuner = TUNERS.build(
        dict(type=name, **keywords), backbone=backbone, prompts=prompts, num_classes=3
    )
    with torch.no_grad():
        for parameter in tuner.parameters():
            parameter.add_(0.2 * torch.randn_like(parameter))
    return tuner


def texts_of(backbone):
    """Return prompts `a photo of a {}.`, one per class."""
    prompt = SharedContext(
        words="a photo of a", suffix=".", embed_words=backbone.embed_words,
        num_classes=len(NAMES), token_dim=backbone.token_dim,
    )  # fmt: skip
    return prompt(backbone.embed_words(NAMES))


def nothing(name):
    raise AssertionError(f"asked for the reference {name!r}")


CONTEXT = TextContext(torch.arange(len(NAMES)), nothing)


# ------------------------------------------------------------------------------------ loops by hand


def run_blocks(blocks, x, mask=None, put_in=None, beside=None):
    """Go through open_clip's blocks; [M, L, W]."""
    put_in, beside, present = put_in or {}, beside or {}, False
    for j, block in enumerate(blocks):
        if j in put_in:
            tokens = put_in[j].expand(len(x), -1, -1)
            rest = x[:, 1 + tokens.shape[1] :] if present else x[:, 1:]
            x, present = torch.cat([x[:, :1], tokens, rest], dim=1), True
        causal = None if mask is None else mask(x.shape[1])
        before = x
        n = block.ln_1(x)
        x = x + block.attn(n, n, n, need_weights=False, attn_mask=causal)[0]
        x = x + block.mlp(block.ln_2(x))
        if j in beside:
            x = x + beside[j](block.ln_1(before))
    return x


def images_by_hand(backbone, images, **acting):
    """Return pooled features, and states of the tokens behind the class token."""
    visual = backbone.model.visual
    patches = visual.conv1(images).flatten(2).transpose(1, 2)
    first = visual.class_embedding.expand(len(images), 1, -1)
    x = torch.cat([first, patches], dim=1) + visual.positional_embedding
    x = visual.ln_post(run_blocks(visual.transformer.resblocks, visual.ln_pre(x), **acting))
    return x[:, 0] @ visual.proj, x[:, 1:]


def texts_by_hand(backbone, moved=0, **acting):
    """Return text features, one text after the other, padded as open_clip pads."""
    model, tokenizer, found = backbone.model, SimpleTokenizer(), []
    for name in NAMES:
        ids = tokenizer.encode(f"a photo of a {name}.")
        ids = [tokenizer.sot_token_id, *ids, tokenizer.eot_token_id]
        padded = torch.tensor([ids + [0] * (40 - len(ids))])
        x = model.token_embedding(padded) + model.positional_embedding
        mask = lambda n: torch.full((n, n), float("-inf")).triu(1)  # noqa: E731
        x = run_blocks(model.transformer.resblocks, x, mask=mask, **acting)
        x = model.ln_final(x)[:, len(ids) - 1 + moved]
        found.append(x @ model.text_projection)
    return torch.cat(found)[:, None]


def adapters_of(tuner, side):
    def beside(pair):
        part = lambda name: getattr(tuner, name)[pair]  # noqa: E731

        def act(n):
            down = n @ part(f"{side}_down_weight").T + part(f"{side}_down_bias")
            inner = F.relu(down) @ part("shared_weight").T + part("shared_bias")
            up = F.relu(inner) @ part(f"{side}_up_weight").T + part(f"{side}_up_bias")
            return tuner.scale * up

        return act

    return {block: beside(pair) for pair, block in enumerate(BLOCKS[side])}


def tokens_of(tuner, side):
    weights, biases = getattr(tuner, f"to_{side}_weight"), getattr(tuner, f"to_{side}_bias")
    return {
        block: torch.stack([weight @ z + bias for z in tuner.tokens])
        for block, weight, bias in zip(BLOCKS[side], weights, biases, strict=True)
    }


def both(backbone, tuner, images):
    features = backbone.encode_image(images, [], tuner.image_points())
    return features, backbone.encode_text(texts_of(backbone), tuner.text_points(CONTEXT))


def gradients(outputs, tuner):
    generator = torch.Generator().manual_seed(5)
    directions = [torch.randn(out.shape, generator=generator) for out in outputs]
    loss = sum((out * one).sum() for out, one in zip(outputs, directions, strict=True))
    return torch.autograd.grad(loss, list(tuner.parameters()))


@pytest.mark.parametrize("divided", [False, True])
def test_adapters_are_the_loop(backbone, images, divided):
    tuner = build(
        "ResidualAdapters", backbone, blocks=BLOCKS, width=5, scale=0.1,
        divide_gradients_by_scale=divided,
    )  # fmt: skip
    features, text = both(backbone, tuner, images)
    by_hand = (
        images_by_hand(backbone, images, beside=adapters_of(tuner, "image"))[0],
        texts_by_hand(backbone, beside=adapters_of(tuner, "text")),
    )
    assert_close((features.pooled, text), by_hand, rtol=1e-5, atol=1e-5)
    found, expected = gradients((features.pooled, text), tuner), gradients(by_hand, tuner)
    for one, other in zip(found, expected, strict=True):
        assert_close(one, other / 0.1 if divided else other, rtol=1e-4, atol=1e-4)


def test_tokens_are_the_loop(backbone, images):
    tuner = build("RepresentationTokens", backbone, blocks=BLOCKS, num_tokens=3, width=7)
    features, text = both(backbone, tuner, images)
    pooled, states = images_by_hand(backbone, images, put_in=tokens_of(tuner, "image"))
    by_hand = pooled, states[:, :3], texts_by_hand(backbone, 3, put_in=tokens_of(tuner, "text"))
    outputs = features.pooled, features.extra["tokens"], text
    assert_close(outputs, by_hand, rtol=1e-5, atol=1e-5)
    found, expected = gradients(outputs, tuner), gradients(by_hand, tuner)
    for one, other in zip(found, expected, strict=True):
        assert_close(one, other, rtol=1e-4, atol=1e-4)


# ----------------------------------------------------------------------------------- how they start


def test_adapters_start_as_published(backbone):
    torch.manual_seed(0)
    tuner = TUNERS.build(dict(type="ResidualAdapters", blocks=[1, 2], width=48), backbone=backbone)
    for name, rows, columns in (
        ("text_down", 48, 32), ("image_down", 48, 64), ("shared", 48, 48), ("image_up", 64, 48),
    ):  # fmt: skip
        weight, bias = getattr(tuner, f"{name}_weight"), getattr(tuner, f"{name}_bias")
        assert weight.shape == (2, rows, columns)
        assert_close(weight.std(), torch.tensor((2 / rows) ** 0.5), rtol=0.1, atol=0)
        assert not bias.any()


def test_tokens_start_as_published(backbone):
    torch.manual_seed(0)
    tuner = TUNERS.build(dict(type="RepresentationTokens", blocks=[0, 2]), backbone=backbone)
    assert tuner.tokens.shape == (5, 512)
    assert_close(tuner.tokens.std(), torch.tensor(0.02), rtol=0.1, atol=0)
    for side, width in (("image", 64), ("text", 32)):
        weight, bias = getattr(tuner, f"to_{side}_weight"), getattr(tuner, f"to_{side}_bias")
        assert weight.shape == (2, width, 512)
        assert torch.equal(weight[0], weight[1])
        assert torch.equal(bias[0], bias[1])
        assert weight.abs().max() <= 512**-0.5
    assert len({id(p) for p in tuner.parameters()}) == 5


# ------------------------------------------------------------------------------------- switched off


OFF = {
    "adapters of scale 0": ("ResidualAdapters", dict(blocks=[0, 1], width=4, scale=0.0)),
    "no adapters": ("ResidualAdapters", dict(blocks=[])),
    "no tokens": ("RepresentationTokens", dict(blocks=[])),
}
ON = {
    "adapters": ("ResidualAdapters", dict(blocks=[0, 1], width=4, scale=0.5)),
    "tokens": ("RepresentationTokens", dict(blocks=[0, 1], num_tokens=2, width=8)),
}


@pytest.fixture(scope="module", params=["CLIP", "SigLIP", "EVA02", "Perception Encoder"])
def family(request, tmp_path_factory):
    return build_family(request.param, tmp_path_factory.mktemp("family"))


@pytest.mark.parametrize("case", OFF)
def test_switched_off_it_is_the_frozen_model_bit_for_bit(family, case):
    name, keywords = OFF[case]
    images = torch.randn(2, 3, *family.image_size)
    tuner = build(name, family, **keywords)
    assert tuner.acts_on_images is tuner.acts_on_texts is bool(keywords["blocks"])
    features, text = both(family, tuner, images)
    assert torch.equal(features.pooled, family.encode_image(images).pooled)
    assert torch.equal(text, family.encode_text(texts_of(family)))


@pytest.mark.parametrize("case", ON)
def test_switched_on_it_reaches_both_towers_of_a_family(family, case):
    name, keywords = ON[case]
    images = torch.randn(2, 3, *family.image_size)
    tuner = build(name, family, **keywords)
    features, text = both(family, tuner, images)
    assert not torch.allclose(features.pooled, family.encode_image(images).pooled, atol=1e-4)
    assert not torch.allclose(text, family.encode_text(texts_of(family)), atol=1e-4)
    outputs = features.pooled, text, *features.extra.values()
    for (key, _), grad in zip(tuner.named_parameters(), gradients(outputs, tuner), strict=True):
        assert grad.abs().sum() > 0, key


# ------------------------------------------------------------------------------------ what is wrong


@pytest.mark.parametrize("name", ["ResidualAdapters", "RepresentationTokens"])
@pytest.mark.parametrize(
    ("blocks", "message"),
    [
        ([2, 3], r"the text tower has blocks 0 to 2, got 3\. .* blocks=dict\(image="),
        (dict(image=[4], text=[2]), "the image tower has blocks 0 to 3, got 4"),
        ([-1], "blocks 0 to 3, got -1"),
        (dict(image=[1, 2], text=[2]), "pair by pair, got 2 and 1"),
        (dict(image=[1]), r"blocks as numbers, or as dict\(image"),
        ([2, 1], "in rising order, each once"),
        ([1, 1], "in rising order, each once"),
        (5, "a list of integers >= 0, got 5"),
        (["1"], "a list of integers >= 0"),
        ("12", "a list of integers >= 0"),
    ],
)
def test_blocks_that_are_not_there_are_refused(backbone, name, blocks, message):
    with as_installed(), pytest.raises(ConfigError, match=message):
        build(name, backbone, blocks=blocks)


@pytest.mark.parametrize(
    ("name", "keywords", "message"),
    [
        ("ResidualAdapters", dict(width=0), "width to be an integer >= 1, got 0"),
        ("ResidualAdapters", dict(scale=0.0, divide_gradients_by_scale=True), "scale other than 0"),
        ("RepresentationTokens", dict(num_tokens=0), "num_tokens to be an integer >= 1"),
        ("RepresentationTokens", dict(width=-1), "width to be an integer >= 1"),
    ],
)
def test_bad_numbers_are_refused(backbone, name, keywords, message):
    with pytest.raises(ConfigError, match=message):
        build(name, backbone, blocks=[1], **keywords)


@pytest.mark.parametrize("name", ["ResidualAdapters", "RepresentationTokens"])
def test_an_encoder_that_runs_as_a_whole_is_refused(name, tmp_path):
    bert = build_family("BERT text", tmp_path)
    with pytest.raises(ConfigError, match="the text tower is run as a whole by its library"):
        build(name, bert, blocks=[0, 1])
