"""A change of weights is noticed, whatever made it."""

import numpy as np
import pytest
import torch
from torch import nn

from plp.towers.weights_state import weights_mark


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
