"""Attention's gradient in float32 under bf16, on a CPU: the same within the rounding of bf16."""

import pytest
import torch
from torch.nn import functional as F
from torch.testing import assert_close

from plp.towers.attention import attend


def projected(seed):
    generator = torch.Generator().manual_seed(seed)
    parts = [torch.randn(2, 5, 8, generator=generator) for _ in range(4)]
    return [part.bfloat16() for part in parts]


def plain(query, key, value, causal):
    query, key, value = (p.unflatten(-1, (2, -1)).transpose(1, 2) for p in (query, key, value))
    mixed = F.scaled_dot_product_attention(query, key, value, is_causal=causal)
    return mixed.transpose(1, 2).flatten(2)


def gradients(function, parts, weight):
    parts = [part.detach().clone().requires_grad_() for part in parts]
    out = function(*parts)
    return out, torch.autograd.grad((out.float() * weight.float()).sum(), parts)


@pytest.mark.parametrize("causal", [False, True])
def test_on_and_off_agree_and_on_is_nearer_to_float32(causal):
    *parts, weight = projected(0)
    on = gradients(lambda *p: attend(*p, heads=2, causal=causal), parts, weight)
    off = gradients(lambda *p: plain(*p, causal), parts, weight)
    exact = gradients(lambda *p: plain(*p, causal), [p.double() for p in parts], weight)
    errors = {"on": 0.0, "off": 0.0}
    for name, (out, grads) in (("on", on), ("off", off)):
        assert_close(out.double(), exact[0], atol=0.03, rtol=0.03)
        for found, expected in zip(grads, exact[1], strict=True):
            assert found.dtype == torch.bfloat16
            assert_close(found.double(), expected, atol=0.03, rtol=0.03)
            errors[name] += float((found.double() - expected).abs().sum())
    assert errors["on"] <= errors["off"]
    assert on[0].dtype == torch.float32  # what a switch that is off would not give
    assert off[0].dtype == torch.bfloat16


def test_without_gradient_half_precision_stays():
    *parts, _ = projected(1)
    assert attend(*parts, heads=2).dtype == torch.bfloat16
