"""Recomputation gives the gradient of the plain computation and keeps the inputs alone."""

import torch
from torch.testing import assert_close

from plp.learners.recompute import recomputed


def deep(x, weight):
    for _ in range(20):
        x = torch.tanh(x @ weight)
    return x


def inputs():
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(3, 4, dtype=torch.float64, generator=generator, requires_grad=True)
    return x, torch.randn(4, 4, dtype=torch.float64, generator=generator, requires_grad=True)


def test_value_and_gradient_are_those_of_the_function():
    pair = inputs()
    plain, again = deep(*pair), recomputed(deep, *pair)
    assert torch.equal(plain, again)
    for expected, found in zip(
        torch.autograd.grad(plain.square().sum(), pair),
        torch.autograd.grad(again.square().sum(), pair),
        strict=True,
    ):
        assert torch.equal(expected, found)


def test_inputs_without_gradient_get_none():
    x, weight = inputs()
    out = recomputed(deep, x.detach(), weight)
    assert_close(
        torch.autograd.grad(out.sum(), weight),
        torch.autograd.grad(deep(x.detach(), weight).sum(), weight),
    )
    assert not recomputed(deep, x.detach(), weight.detach()).requires_grad


def test_an_input_the_function_does_not_use_is_no_error():
    x, weight = inputs()
    recomputed(lambda a, _: a * 2, x, weight).sum().backward()
    assert_close(x.grad, torch.full_like(x, 2))
    assert weight.grad is None


def test_nothing_but_the_inputs_is_kept():
    pair, kept = inputs(), []
    with torch.autograd.graph.saved_tensors_hooks(lambda t: kept.append(t) or t, lambda t: t):
        out = recomputed(deep, *pair)
    assert {t.data_ptr() for t in kept} == {t.data_ptr() for t in pair}
    assert {type(node).__name__ for node, _ in out.grad_fn.next_functions} == {"AccumulateGrad"}
