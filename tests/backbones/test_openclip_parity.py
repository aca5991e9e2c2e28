"""Vision and text features against the published SOT-GLP and GalLoP code (tests/parity)."""

import copy
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from plp.backbones import OpenCLIPBackbone
from plp.testing.clip_weights import TINY, ClipSize, write_clip_weights

FIXTURES = Path(__file__).parents[1] / "parity"
TOLERANCE = {"atol": 1e-5, "rtol": 0}
METHODS = ["sotglp_tiny", "sotglp_tiny_noproj", "gallop_tiny"]
STREAM = {"sotglp_tiny": "vv", "sotglp_tiny_noproj": "vv", "gallop_tiny": "value"}


def load(name):
    return {key: torch.from_numpy(array) if array.dtype.kind in "fi" else array.tolist()
            for key, array in np.load(FIXTURES / f"{name}.npz").items()}  # fmt: skip


@pytest.fixture(params=METHODS)
def case(request):
    return STREAM[request.param], load(request.param)


def test_pooled_features_agree(tiny, case):
    _, published = case
    expected = published["image_features"] @ tiny.model.visual.proj
    assert_close(tiny.encode_image(published["images"]).pooled, expected, **TOLERANCE)


def test_dense_features_agree(tiny, case):
    stream, published = case
    features = tiny.encode_image(published["images"], streams=[stream])
    assert features.grid == (6, 6)
    assert_close(features.dense[stream], published["dense_features"], **TOLERANCE)


@torch.no_grad()
def straightforward_streams(backbone, images):
    """The definitions of the parity README, block by block in float64, nothing shared or saved."""
    visual = copy.deepcopy(backbone.model.visual).double()
    x = visual.ln_pre(_tokens(visual, images.double()))
    vv = x.clone()
    for index, block in enumerate(visual.transformer.resblocks):
        attention, normed = block.attn, block.ln_1(x)
        width = x.shape[-1]
        parts = normed @ attention.in_proj_weight.T + attention.in_proj_bias
        query, key, value = parts.split(width, dim=-1)
        ordinary = attention.out_proj(_softmax_attention(query, key, value, attention.num_heads))
        if index == 0 and backbone.alias_first_block:
            vv = vv + ordinary
        vv = vv + attention.out_proj(_softmax_attention(value, value, value, attention.num_heads))
        residual = x + attention.out_proj(value)
        value_stream = residual + block.mlp(block.ln_2(residual))
        x = x + ordinary
        x = x + block.mlp(block.ln_2(x))
    streams = {"vv": vv, "value": value_stream, "tokens": x}
    return {name: visual.ln_post(stream)[:, 1:].float() for name, stream in streams.items()}


def _tokens(visual, images):
    patches = visual.conv1(images).flatten(2).transpose(1, 2)
    first = visual.class_embedding.expand(len(images), 1, -1)
    return torch.cat([first, patches], dim=1) + visual.positional_embedding


def _softmax_attention(query, key, value, heads):
    outputs = []
    for q, k, v in zip(
        query.chunk(heads, -1), key.chunk(heads, -1), value.chunk(heads, -1), strict=True
    ):
        weights = (q @ k.transpose(1, 2) / q.shape[-1] ** 0.5).softmax(dim=-1)
        outputs.append(weights @ v)
    return torch.cat(outputs, dim=-1)


@pytest.mark.parametrize("alias_first_block", [True, False])
@pytest.mark.parametrize("seed", [1, 2])
def test_streams_follow_their_definition_at_other_sizes(alias_first_block, seed, tmp_path):
    size = ClipSize(32, 80, 16, 192, 3, 64, 1)
    file = write_clip_weights(tmp_path / "weights.pt", size, seed)
    backbone = OpenCLIPBackbone(
        "other", file, model_config=size.model_config(), alias_first_block=alias_first_block
    )
    images = torch.randn(2, 3, 80, 80, generator=torch.Generator().manual_seed(seed))
    expected = straightforward_streams(backbone, images)
    dense = backbone.encode_image(images, streams=list(expected)).dense
    for name, stream in expected.items():
        assert_close(dense[name], stream, **TOLERANCE)


def test_streams_of_one_pass_equal_streams_of_their_own_pass(tiny, case):
    _, published = case
    together = tiny.encode_image(published["images"], streams=["tokens", "vv", "value"])
    assert list(together.dense) == ["tokens", "vv", "value"]
    for stream, dense in together.dense.items():
        alone = tiny.encode_image(published["images"], streams=[stream])
        assert_close(alone.dense[stream], dense, **TOLERANCE)
        assert_close(alone.pooled, together.pooled, **TOLERANCE)


def test_the_paper_stream_differs_by_the_first_attention_alone(tiny, tiny_file):
    images = load("sotglp_tiny")["images"]
    paper = OpenCLIPBackbone(
        "tiny", str(tiny_file), model_config=TINY.model_config(), alias_first_block=False
    )
    published = tiny.encode_image(images, streams=["vv", "value", "tokens"]).dense
    changed = paper.encode_image(images, streams=["vv", "value", "tokens"]).dense
    assert (changed["vv"] - published["vv"]).abs().max() > 0.1
    assert_close(changed["value"], published["value"], **TOLERANCE)
    assert_close(changed["tokens"], published["tokens"], **TOLERANCE)


@pytest.mark.parametrize("branch", ["global", "local"])
def test_text_features_agree(tiny, assemble, case, branch):
    _, published = case
    names = tiny.embed_words(published["class_names"])
    context = published[f"{branch}_context"]
    if context.ndim == 3:  # shared by the classes
        context = context.expand(len(names.lengths), -1, -1, -1)
    text = tiny.encode_text(assemble(names, context))
    assert_close(text, published[f"text_{branch}"], **TOLERANCE)
