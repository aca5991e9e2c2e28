"""Projection heads."""

import torch
from torch.testing import assert_close

from plp.projections import IdentityProjection, LinearProjection


def test_identity_returns_its_input():
    dense = torch.randn(2, 3, 4)
    assert IdentityProjection()(dense) is dense


def test_linear_starts_at_the_identity_to_the_bit():
    dense = torch.randn(2, 3, 4)
    assert torch.equal(LinearProjection(4)(dense), dense)


def test_linear_multiplies_each_patch_by_the_weight():
    head = LinearProjection(4)
    with torch.no_grad():
        head.weight.normal_()
    dense = torch.randn(2, 3, 4)
    found = head(dense)
    for b in range(2):
        for p in range(3):
            assert_close(found[b, p], head.weight.detach() @ dense[b, p])
    assert list(head.state_dict()) == ["weight"]
    assert repr(head) == "LinearProjection(width=4)"
