"""Vision and text features against the published SOT-GLP and GalLoP code (tests/parity)."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from plp.backbones import OpenCLIPBackbone
from plp.testing.clip_weights import TINY

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
