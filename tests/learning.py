"""Does every parameter of a component learn? For the contract suites."""

from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn


def require_learning(
    named: Iterable[tuple[str, nn.Parameter]],
    loss: Callable[[], Tensor],
    every_entry: bool = False,
) -> None:
    """Require that each parameter gets a gradient, at the start or after one step of the others.

    A low-rank update A B starts with B = 0, so that A has no gradient before B has moved.

    Args:
        named: The parameters, by name.
        loss: Computes the loss anew.
        every_entry: Whether every entry must get a gradient; else one entry is enough.
    """
    parameters = dict(named)
    reached = {name: torch.zeros_like(p, dtype=torch.bool) for name, p in parameters.items()}
    before = {name: p.detach().clone() for name, p in parameters.items()}
    for _ in range(2):
        values = list(parameters.values())
        grads = torch.autograd.grad(loss(), values, allow_unused=True) if values else ()
        with torch.no_grad():
            for (name, parameter), grad in zip(parameters.items(), grads, strict=True):
                assert grad is not None, f"{name} has no part in the loss"
                reached[name] |= grad != 0
                parameter -= 0.1 * grad.sign()
    with torch.no_grad():
        for name, parameter in parameters.items():
            parameter.copy_(before[name])
    for name, entries in reached.items():
        assert bool(entries.all() if every_entry else entries.any()), f"{name} does not learn"
