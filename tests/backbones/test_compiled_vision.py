"""A vision tower under torch.compile gives the features of the one that is not.

The run-time shape checks of the test run are no part of plp and cannot be compiled: a process of
its own does without them.
"""

import subprocess
import sys

import pytest
import torch
from torch.testing import assert_close

from plp.backbones import OpenCLIPBackbone
from plp.errors import ConfigError
from plp.learners.prompt_learner import PromptLearner
from plp.towers.low_rank import LowRankUpdate
from plp.towers.points import ExtraTokens, TowerPoints
from plp.tuners.base import Tuner

COMPILED = """
import copy

import torch
from torch._dynamo.utils import counters

from plp.backbones import OpenCLIPBackbone

def build(compiler):
    tower = dict(width=64, layers=2)
    vision = dict(**tower, head_width=32, image_size=32, patch_size=16)
    config = dict(embed_dim=32, vision_cfg=vision, text_cfg=dict(**tower, heads=2))
    return OpenCLIPBackbone("tiny", None, model_config=config, compile_vision=compiler)

plain, compiled = build(None), build("aot_eager")
assert compiled.fingerprint == plain.fingerprint

def compare(model, batch, tolerance=1e-5):
    images = torch.randn(batch, 3, 32, 32)
    found, expected = (one.encode_image(images, ("vv", "value")) for one in (model, plain))
    assert not found.pooled.requires_grad
    torch.testing.assert_close(found, expected, rtol=tolerance, atol=tolerance)

compare(compiled, 3)
assert counters["stats"]["unique_graphs"] == 1, "compiled, and in one piece"
compare(compiled, 2)  # the last batch of an epoch
compare(copy.deepcopy(compiled), 3)
with torch.autocast("cpu", torch.bfloat16):
    compare(compiled, 3, tolerance=2e-2)
assert not counters["graph_break"], counters["graph_break"]
print("same")
"""


@pytest.mark.slow
def test_features_are_those_of_the_tower_as_it_is(root):
    argv = [sys.executable, "-c", COMPILED]
    ended = subprocess.run(argv, cwd=root, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout) == (0, "same\n"), ended.stderr[-3000:]


def test_a_compiler_that_is_not_there_is_refused_at_once():
    with pytest.raises(
        ConfigError, match=r"a backend of torch\.compile \(.*inductor.* got 'magic'"
    ):
        OpenCLIPBackbone("ViT-B-16", None, compile_vision="magic")


def small(compiler):
    tower = dict(width=64, layers=2)
    vision = dict(**tower, head_width=32, image_size=32, patch_size=16)
    config = dict(embed_dim=32, vision_cfg=vision, text_cfg=dict(**tower, heads=2))
    return OpenCLIPBackbone("tiny", None, model_config=config, compile_vision=compiler)


class TwoTokens(Tuner):
    acts_on_images = True

    def __init__(self):
        super().__init__()
        draw = torch.Generator().manual_seed(0)
        self.tokens = torch.nn.Parameter(torch.randn(2, 64, generator=draw))
        self.up = torch.nn.Parameter(torch.randn(64, 2, generator=draw))

    def image_points(self):
        update = LowRankUpdate(self.up.T, self.up, scale=0.1)
        return TowerPoints({"x": ExtraTokens({1: self.tokens})}, updates={"blocks.1.v": update})


def test_points_act_on_a_compiled_tower_as_on_another():
    """Passes with points are not compiled: nothing of torch's compiler runs here."""
    tuner, images = TwoTokens(), torch.randn(2, 3, 32, 32)
    found, expected = (
        small(compiler).encode_image(images, ("vv",), points=tuner.image_points())
        for compiler in ("inductor", None)
    )
    assert_close(found, expected, rtol=0, atol=0)
    grads = [
        torch.autograd.grad(features.pooled.square().sum(), [tuner.tokens, tuner.up])
        for features in (found, expected)
    ]
    assert_close(*grads, rtol=0, atol=0)
    assert float(grads[0][0].abs().sum()) > 0


@pytest.mark.parametrize("compiler", ["inductor", None])
def test_a_learner_with_both_says_so(compiler):
    branches = {"global": dict(type="GlobalBranch", prompt=dict(type="TemplatePrompt"))}
    learner = PromptLearner(small(compiler), branches, ("ox", "owl"), tuners={"mine": TwoTokens()})
    said = [note for note in learner.notes if "compile_vision='inductor'" in note]
    assert len(said) == (compiler is not None)
    assert all("those that tuners act in run as they are" in note for note in said)
    alone = PromptLearner(small(compiler), branches, ("ox", "owl"))
    assert not any("compile_vision" in note for note in alone.notes)
