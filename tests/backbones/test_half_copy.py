"""Linear layers cast once give the numbers of layers cast in every call."""

import copy

import pytest
import torch
from torch import nn

from plp.backbones._half_copy import HalfCopy
from plp.structures import PromptTokens

CPU = torch.device("cpu")


def network():
    torch.manual_seed(0)
    layers = nn.Sequential(nn.Linear(8, 16), nn.LayerNorm(16), nn.GELU(), nn.Linear(16, 4))
    return layers.requires_grad_(False)


def passed(module, inputs):
    """Return the output and the gradient of the input, under autocast."""
    inputs = inputs.clone().requires_grad_()
    with torch.autocast("cpu", torch.bfloat16):
        found = module(inputs)
    found.float().square().sum().backward()
    return found, inputs.grad


def test_the_copy_gives_the_same_numbers_to_the_bit():
    plain, half = network(), HalfCopy()
    inputs = torch.randn(5, 8)
    with torch.autocast("cpu", torch.bfloat16):
        stored = half.of(plain, CPU)
    assert {layer.weight.dtype for layer in stored if isinstance(layer, nn.Linear)} == {
        torch.bfloat16
    }
    for one, other in zip(passed(stored, inputs), passed(plain, inputs), strict=True):
        assert torch.equal(one, other)


def test_outside_autocast_there_is_no_copy():
    plain = network()
    assert HalfCopy().of(plain, CPU) is plain


def test_the_copy_is_made_once_and_anew_for_another_network_or_precision():
    plain, half = network(), HalfCopy()
    with torch.autocast("cpu", torch.bfloat16):
        first = half.of(plain, CPU)
        assert half.of(plain, CPU) is first
        assert half.of(network(), CPU) is not first
    with torch.autocast("cpu", torch.float16):
        assert half.of(plain, CPU)[0].weight.dtype == torch.float16
    assert plain[0].weight.dtype == torch.float32


def test_copying_the_owner_does_not_copy_the_copy():
    half = HalfCopy()
    with torch.autocast("cpu", torch.bfloat16):
        half.of(network(), CPU)
    assert copy.deepcopy(half)._copy is None


@pytest.mark.parametrize("side", ["text", "image"])
def test_clip_towers_use_the_copy_and_give_the_same_numbers(tiny, monkeypatch, side):
    """Under autocast, with and without: texts and their gradient, pooled feature and stream."""

    def run():
        torch.manual_seed(0)
        with torch.autocast("cpu", torch.bfloat16):
            if side == "image":
                features = tiny.encode_image(torch.randn(2, 3, 96, 96), ["vv"])
                return [features.pooled, features.dense["vv"]]
            embeddings = torch.randn(3, 2, 6, 128, requires_grad=True)
            end = torch.tensor([[5, 3], [2, 4], [5, 5]])
            text = tiny.encode_text(PromptTokens(embeddings, end))
        text.float().square().sum().backward()
        return [text, embeddings.grad]

    made = []
    with_copy = HalfCopy.of
    monkeypatch.setattr(HalfCopy, "of", lambda *given: made.append(with_copy(*given)) or made[-1])
    found = run()
    assert made
    assert made[0].resblocks[0].attn.in_proj_weight.dtype == torch.bfloat16
    monkeypatch.setattr(HalfCopy, "of", lambda self, network, device: network)
    for one, other in zip(found, run(), strict=True):
        assert torch.equal(one, other)
