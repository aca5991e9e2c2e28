"""OpenCLIPBackbone against open_clip's own forward, over the kinds of tower open_clip has."""

import copy
from collections import Counter

import open_clip
import pytest
import torch
from torch import nn
from torch.testing import assert_close

from plp.backbones import OpenCLIPBackbone
from plp.errors import ConfigError
from plp.structures import PromptTokens

TOLERANCE = {"atol": 1e-5, "rtol": 1e-5}
TEXTS = ["dog", "a photo of a wire-haired pointing griffon", "tabby cat, Katze, 猫", ""]

VIT = {"image_size": 64, "patch_size": 16, "width": 64, "layers": 3, "head_width": 32}
TEXT = {"width": 64, "heads": 2, "layers": 2}
RESNET = {"image_size": 64, "layers": [1, 1, 1, 1], "width": 8}


def config(vision=None, text=None, **other):
    return {
        "embed_dim": 32,
        "vision_cfg": {**VIT, **(vision or {})},
        "text_cfg": {**TEXT, **(text or {})},
        **other,
    }


FULL = {
    "clip": config(),
    "clip-quickgelu": config(quick_gelu=True),
    "rectangular head count": config(vision={"head_width": 16}, text={"heads": 4}),
    "layer scale": config(vision={"ls_init_value": 0.3}, text={"ls_init_value": 0.3}),
    "no first norm": config(vision={"no_ln_pre": True, "pos_embed_type": "sin_cos_2d"}),
    "custom text": config(custom_text=True),
    "custom text, projection with bias": config(text={"proj_bias": True}, custom_text=True),
    "custom text, no projection": config(
        text={"proj_type": "none", "width": 32, "heads": 1}, custom_text=True
    ),
    "custom text, end token by id": config(
        text={"pool_type": "eos", "eos_id": 49407}, custom_text=True
    ),
    "short context": config(text={"context_length": 24}),
    "resnet": {**config(), "vision_cfg": RESNET},
}
TIMM = {"timm_model_name": "test_vit", "timm_pool": "", "timm_proj": "linear", "image_size": 160}
POOLER = {"attentional_pool": True, "attn_pooler_queries": 4, "attn_pooler_heads": 4}
OTHERS = {
    "timm": {**config(), "vision_cfg": TIMM},
    "timm, a map": {**config(), "vision_cfg": {**TIMM, "timm_model_name": "test_convnext"}},
    "mean of patches": config(vision={"pool_type": "avg"}),
    "attentional pool": config(vision=POOLER),
    "norm after pool": config(vision={"final_ln_after_pool": True}),
    "scaled attention blocks": config(vision={"scale_attn": True}),
}


def build(model_config, **options):
    """Random weights with every parameter away from its neutral start (zeros, ones)."""
    backbone = OpenCLIPBackbone("custom", None, model_config=model_config, seed=3, **options)
    generator = torch.Generator().manual_seed(0)
    for parameter in backbone.model.parameters():
        if parameter.ndim == 1:
            parameter.data += 0.1 * torch.randn(parameter.shape, generator=generator)
    return backbone


@pytest.fixture(scope="module", params=FULL)
def full(request):
    return build(FULL[request.param])


def images_for(backbone, count=2):
    generator = torch.Generator().manual_seed(1)
    side = backbone.image_size[0]
    return torch.randn(count, 3, side, side, generator=generator)


def prompts_for(backbone, texts, padding=0):
    """The prompts whose text is just the words: what open_clip's tokenizer would make."""
    names = backbone.embed_words(texts)
    length = int(names.lengths.max()) + 2 + padding
    embeddings = torch.zeros(len(texts), 1, length, backbone.token_dim)
    for row, size in enumerate(names.lengths.tolist()):
        whole = [names.start[None], names.embeddings[row, :size], names.end[None]]
        embeddings[row, 0, : size + 2] = torch.cat(whole)
    return PromptTokens(embeddings, names.lengths[:, None] + 1)


@torch.no_grad()
def test_pooled_features_are_those_of_open_clip(full):
    images = images_for(full)
    expected = full.model.encode_image(images)
    for streams in ([], ["value"], full.streams):
        assert_close(full.encode_image(images, streams).pooled, expected, **TOLERANCE)


@torch.no_grad()
def test_text_features_are_those_of_open_clip_at_full_length(full):
    tokenizer = open_clip.SimpleTokenizer(context_length=full.context_length)
    expected = full.model.encode_text(tokenizer(TEXTS))
    text = full.encode_text(prompts_for(full, TEXTS))
    assert text.shape == (len(TEXTS), 1, full.embed_dim)
    assert_close(text[:, 0], expected, **TOLERANCE)


def test_what_follows_the_end_token_does_not_count(full):
    short = prompts_for(full, TEXTS)
    padded = prompts_for(full, TEXTS, padding=3)
    padded.embeddings[:, :, -3:] = float("nan")
    assert torch.equal(full.encode_text(short), full.encode_text(padded))


@pytest.mark.parametrize("name", ["clip", "layer scale", "no first norm"])
def test_tokens_are_the_patches_of_the_last_block(name):
    full = build(FULL[name])
    images, visual = images_for(full), full.model.visual
    found = []
    handle = visual.transformer.resblocks[-1].register_forward_hook(lambda *a: found.append(a[2]))
    full.model.encode_image(images)
    handle.remove()
    expected = visual.ln_post(found[0][:, 1:])
    assert_close(full.encode_image(images, ["tokens"]).dense["tokens"], expected, **TOLERANCE)


def test_dense_features_are_in_the_space_of_the_pooled_one(full):
    features = full.encode_image(images_for(full), full.streams)
    patches = features.grid[0] * features.grid[1]
    assert patches > 1
    for dense in features.dense.values():
        assert dense.shape == (2, patches, full.dense_dim)
        assert full.project_dense(dense).shape == (2, patches, full.embed_dim)


def test_resnet_streams_follow_their_definition():
    backbone = build(FULL["resnet"])
    images, visual = images_for(backbone), backbone.model.visual
    pool = visual.attnpool
    found = []
    handle = visual.layer4.register_forward_hook(lambda *a: found.append(a[2]))
    backbone.model.encode_image(images)
    handle.remove()
    patches = found[0].flatten(2).transpose(1, 2)
    with_mean = torch.cat([patches.mean(1, keepdim=True), patches], 1) + pool.positional_embedding
    attention = nn.MultiheadAttention(backbone.dense_dim, pool.num_heads, batch_first=True)
    weights = [pool.q_proj, pool.k_proj, pool.v_proj]
    attention.in_proj_weight.data = torch.cat([part.weight for part in weights])
    attention.in_proj_bias.data = torch.cat([part.bias for part in weights])
    attention.out_proj = pool.c_proj
    attended = attention(with_mean, with_mean, with_mean)[0][:, 1:]

    features = backbone.encode_image(images, ["value", "tokens"])
    projected = {name: backbone.project_dense(dense) for name, dense in features.dense.items()}
    assert_close(projected["value"], pool.c_proj(pool.v_proj(patches)), **TOLERANCE)
    assert_close(projected["tokens"], attended, **TOLERANCE)


def test_v_v_attention_needs_a_transformer():
    backbone = build(FULL["resnet"])
    assert backbone.streams == ("value", "tokens")
    with pytest.raises(ConfigError, match=r"no dense stream 'vv': v-v attention .* 'value', 'tok"):
        backbone.encode_image(images_for(backbone), ["vv"])


@pytest.mark.parametrize("name", OTHERS)
def test_towers_of_other_families_pool_as_open_clip_does_and_have_streams(name):
    backbone = build(OTHERS[name])
    images = images_for(backbone)
    features = backbone.encode_image(images, backbone.streams)
    assert_close(features.pooled, backbone.model.encode_image(images), **TOLERANCE)
    assert backbone.streams == (("tokens",) if "map" in name else ("vv", "value", "tokens"))
    for dense in features.dense.values():
        assert dense.shape[1:] == (features.grid[0] * features.grid[1], backbone.dense_dim)
        assert backbone.project_dense(dense).shape[-1] == backbone.embed_dim


def test_a_tower_with_two_poolers_is_refused():
    with pytest.raises(ConfigError, match=r"two poolers .* Use attentional_pool=True"):
        build(config(vision={**POOLER, "attentional_pool": "parallel"}))


@torch.no_grad()
def test_coca_pools_and_reads_texts_as_open_clip_does():
    decoder = {"width": 32, "heads": 1, "layers": 1}
    vision = {**POOLER, "output_tokens": True}
    text = {"embed_cls": True, "output_tokens": True}
    backbone = build(config(vision, text, custom_text=True, multimodal_cfg=decoder))
    images = images_for(backbone)
    expected = backbone.model.encode_image(images, normalize=False)
    assert_close(backbone.encode_image(images).pooled, expected, **TOLERANCE)
    tokenizer = open_clip.SimpleTokenizer(context_length=backbone.context_length)
    expected = backbone.model.encode_text(tokenizer(TEXTS), normalize=False)
    text = backbone.encode_text(prompts_for(backbone, TEXTS))
    assert_close(text[:, 0], expected, **TOLERANCE)


def test_all_streams_cost_one_pass():
    backbone = build(FULL["clip"])
    calls = Counter()
    for name, module in backbone.model.visual.named_modules():
        module.register_forward_hook(lambda *_, name=name: calls.update([name]))
    backbone.encode_image(images_for(backbone), backbone.streams)
    blocks = backbone.model.visual.transformer.resblocks
    assert calls["conv1"] == 1
    for index in range(len(blocks)):
        assert calls[f"transformer.resblocks.{index}.ln_1"] == 1
        # ordinary and v-v attention; the value stream in the last block
        assert calls[f"transformer.resblocks.{index}.attn.out_proj"] == 2 + (index == 2)
    assert calls["transformer.resblocks.0.mlp"] == 1


def test_image_features_have_no_graph_but_can_enter_one():
    backbone = build(FULL["clip"])
    images = images_for(backbone).requires_grad_()
    features = backbone.encode_image(images, ["vv"])
    assert not features.pooled.requires_grad
    assert not features.dense["vv"].requires_grad
    projection = torch.eye(backbone.dense_dim).requires_grad_()
    backbone.project_dense(features.dense["vv"] @ projection).square().sum().backward()
    assert projection.grad.abs().sum() > 0


def test_gradient_reaches_prompts_and_nothing_else(full):
    prompts = prompts_for(full, TEXTS)
    embeddings = prompts.embeddings.requires_grad_()
    full.encode_text(prompts).square().sum().backward()
    used = torch.arange(embeddings.shape[2]) <= prompts.end[:, :, None]
    norms = embeddings.grad.norm(dim=-1)
    assert (norms[used] > 0).all()
    assert (norms[~used] == 0).all()
    assert all(p.grad is None and not p.requires_grad for p in full.parameters())


def test_it_stays_in_evaluation_mode():
    backbone = build(FULL["resnet"])
    backbone.train()
    assert not any(module.training for module in backbone.modules())


def test_a_deep_copy_stands_alone():
    backbone = build(FULL["clip"])
    images = images_for(backbone)
    before = backbone.encode_image(images, ["vv"])
    twin = copy.deepcopy(backbone)
    for parameter in twin.model.parameters():
        parameter.data.zero_()
    after = backbone.encode_image(images, ["vv"])
    assert torch.equal(before.dense["vv"], after.dense["vv"])
    assert not torch.equal(twin.encode_image(images, ["vv"]).dense["vv"], after.dense["vv"])


@pytest.mark.parametrize("streams", [("vv",), ("value",), ("tokens",), ("vv", "value", "tokens")])
def test_images_do_not_influence_each_other(streams):
    backbone = build(FULL["clip"])
    images = images_for(backbone, 3)
    together = backbone.encode_image(images, streams)
    alone = backbone.encode_image(images[1:2], streams)
    assert_close(together.pooled[1:2], alone.pooled, **TOLERANCE)
    for stream in streams:
        assert_close(together.dense[stream][1:2], alone.dense[stream], **TOLERANCE)


def test_unknown_streams_and_sizes_are_refused():
    backbone = build(FULL["clip"])
    images = images_for(backbone)
    with pytest.raises(ConfigError, match=r"no dense stream 'kk'\. .*'vv', 'value', 'tokens'"):
        backbone.encode_image(images, ["kk"])
    with pytest.raises(ConfigError, match="got the string 'vv'"):
        backbone.encode_image(images, "vv")
    with pytest.raises(ConfigError, match=r"expected images of 64 x 64 pixels .*, got 32 x 64"):
        backbone.encode_image(images[:, :, :32], ["vv"])


@pytest.mark.slow
def test_full_size_vit_b_16_is_open_clip_s():
    backbone = OpenCLIPBackbone("ViT-B-16", None, quick_gelu=True)
    assert (backbone.embed_dim, backbone.dense_dim, backbone.token_dim) == (512, 768, 512)
    assert (backbone.context_length, backbone.image_size) == (77, (224, 224))
    images = images_for(backbone, 1)
    features = backbone.encode_image(images, ["vv", "value", "tokens"])
    assert features.grid == (14, 14)
    with torch.no_grad():
        assert_close(features.pooled, backbone.model.encode_image(images), **TOLERANCE)
        expected = backbone.model.encode_text(open_clip.tokenize(TEXTS))
        assert_close(
            backbone.encode_text(prompts_for(backbone, TEXTS))[:, 0], expected, **TOLERANCE
        )
