"""Streams against a slow loop of plain torch, written from the formulas on the library's weights.

The same loop's ordinary output is held against the library's own forward, so that a wrong reading
of a block (its activation, scale, rotation) cannot agree with itself.
"""

import pytest
import torch
from torch import Tensor, nn
from torch.testing import assert_close
from towers.by_hand import run
from towers.hands import HANDS
from towers.image_cases import build, images

TOLERANCE = {"atol": 1e-5, "rtol": 1e-5}


@torch.no_grad()
@pytest.mark.parametrize("alias", [False, True])
@pytest.mark.parametrize("name", HANDS)
def test_streams_are_their_formulas(name: str, alias: bool) -> None:
    network, tower = build(name)
    tower.alias_first_block = alias
    hand = HANDS[name](network)
    expected = run(hand, alias)
    assert_close(expected["tokens"], own_tokens(network), **TOLERANCE)
    found = tower.encode(images(), tower.streams)
    for stream, tokens in expected.items():
        assert_close(found.dense[stream], tokens, **TOLERANCE)
        joint = hand.joint(tokens.double()).float()
        assert_close(tower.project(found.dense[stream]), joint, **TOLERANCE)
    assert not torch.allclose(expected["vv"], expected["value"], atol=0.1)


def own_tokens(network: nn.Module) -> Tensor:
    """Return the patches behind the last block (and norm) as the library's own forward has them."""
    if hasattr(network, "forward_tokens"):
        return network.forward_tokens(images())
    if hasattr(network, "forward_features"):
        return network.forward_features(images())[:, network.num_prefix_tokens :]
    kept: list[Tensor] = []
    handle = network.transformer.register_forward_hook(lambda m, i, x: kept.append(x[:, 1:]))
    network(images())
    handle.remove()
    return kept[0] if network.attn_pool is not None else network.ln_post(kept[0])
