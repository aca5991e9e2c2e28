"""A network that shares everything with another but some weights, and what is added to products."""

from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from plp.errors import ConfigError
from plp.towers.points import Update

Weights = Mapping[tuple[nn.Module, str], Tensor]


def substitute(
    network: nn.Module, weights: Weights, updates: Mapping[nn.Module, Update] | None = None
) -> Any:
    """Return a network with other weights and with additions to the output of modules.

    The modules on the way to a change are put together anew and share whatever is not changed;
    the network itself, its state dict and its parameters stay as they are. No module is wrapped:
    types, names and weights are what they were.

    Args:
        network: The network.
        weights: Parameter of a module -> what takes its place.
        updates: Module -> what is added to its output, a function of its input. Given, changes must
            reach every module; None where they are only another precision of the same weights.

    Raises:
        ConfigError: with updates, for a module whose `forward` was replaced on the instance: the
            one put in its place would run with the weights of the original.
    """
    return _copy(network, weights, updates, {})


def _copy(
    module: nn.Module,
    weights: Weights,
    updates: Mapping[nn.Module, Update] | None,
    done: dict[nn.Module, nn.Module],
) -> nn.Module:
    if module in done:
        return done[module]
    children = {
        name: child if child is None else _copy(child, weights, updates, done)
        for name, child in module._modules.items()
    }
    own = {name: weights[module, name] for name in module._parameters if (module, name) in weights}
    found = module
    changed = any(child is not module._modules[name] for name, child in children.items())
    update = None if updates is None else updates.get(module)
    if own or changed or update is not None:
        if updates is not None and "forward" in module.__dict__:
            raise ConfigError(
                f"{type(module).__name__}: its forward was replaced on the instance, so that "
                "weights and updates from outside would not reach it. Take the replacement off."
            )
        found = object.__new__(type(module))  # its `__init__` would make weights
        found.__dict__.update(module.__dict__)
        found.__dict__["_modules"] = children
        found.__dict__["_parameters"] = {**module._parameters, **own}
        if update is not None:
            _add_to_output(found, update)
    done[module] = found
    return found


def _add_to_output(module: nn.Module, update: Update) -> None:
    """Add to what a module yields by a forward hook that the original does not get."""
    module.__dict__["_forward_hooks"] = OrderedDict(module._forward_hooks)
    if isinstance(module, nn.Conv2d):  # of 1 x 1: the channels of each pixel are a token
        update = _over_channels(update)
    module.register_forward_hook(lambda _, inputs, output: output + update(inputs[0]))


def _over_channels(update: Update) -> Update:
    return lambda x: update(x.movedim(1, -1)).movedim(-1, 1)
