"""A change of weights is noticed, whatever made it."""

import numpy as np
import pytest
import torch
from torch import nn

from plp.towers.weights_state import parameter_states, weights_mark


def module():
    torch.manual_seed(0)
    layers = nn.Sequential(nn.Linear(40, 60), nn.BatchNorm1d(60)).requires_grad_(False)
    return layers.eval()


def changed_behind_the_version(layers):
    layers[0].weight.data[59, 39] += 1e-4


def rows_swapped(layers):
    layers[0].weight.data.copy_(layers[0].weight.flip(0))


def a_flipped_bit(layers):
    layers[0].bias.numpy().view(np.uint32)[7] ^= 1


def a_buffer(layers):
    layers[1].running_mean.data.add_(1.0)


CHANGES = (changed_behind_the_version, rows_swapped, a_flipped_bit, a_buffer)


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_the_mark_changes_with_any_value(change):
    layers = module()
    before = weights_mark(layers)
    assert weights_mark(module()) == before
    change(layers)
    assert weights_mark(layers) != before


def in_place(layers):
    layers[0].weight.mul_(1.0)


def loaded(layers):
    layers.load_state_dict(module().state_dict())


def replaced(layers):
    layers[1].bias = nn.Parameter(layers[1].bias.clone(), requires_grad=False)


def module_replaced(layers):
    layers[0] = module()[0]


def other_memory(layers):
    layers[0].weight.data = layers[0].weight.data.clone()


def other_precision(layers):
    layers.half()


STATES = (in_place, loaded, replaced, module_replaced, other_memory, other_precision)


@pytest.mark.parametrize("change", STATES, ids=lambda change: change.__name__)
def test_the_states_change_with_what_autograd_sees(change):
    layers = module()
    before = parameter_states(layers)
    assert parameter_states(layers) == before
    change(layers)
    assert parameter_states(layers) != before


def test_the_states_are_of_every_parameter_once():
    """Of modules that stand in two places, and of none, too."""
    layers = nn.Sequential(nn.Linear(4, 4, bias=False), module())
    layers.append(layers[0])
    layers.register_module("none", None)
    assert len(parameter_states(layers)) == len(list(layers.parameters())) == 5
