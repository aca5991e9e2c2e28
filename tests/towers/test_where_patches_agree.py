"""Where a patch and the pooled feature must agree: one patch alone, and an image of one colour."""

from functools import partial

import pytest
import torch
from timm.models.vision_transformer import VisionTransformer
from torch.testing import assert_close
from towers.image_cases import SIDE, TIMM, shake

from plp.towers.select import read_timm

TOLERANCE = {"atol": 1e-5, "rtol": 1e-5}
NO_CLASS_TOKEN = {
    "mean": partial(VisionTransformer, global_pool="avg", class_token=False),
    "attention pool": partial(VisionTransformer, global_pool="map", class_token=False),
    "mean, norms of q and k, scale": partial(
        VisionTransformer, global_pool="avg", class_token=False, qk_norm=True, init_values=0.2
    ),
}


@torch.no_grad()
@pytest.mark.parametrize("name", NO_CLASS_TOKEN)
def test_one_patch_is_the_pooled_feature(name):
    network = shake(NO_CLASS_TOKEN[name](**{**TIMM, "img_size": 16}))
    tower = read_timm(network, None, alias_first_block=False)
    images = torch.randn(2, 3, 16, 16, generator=torch.Generator().manual_seed(1))
    found = tower.encode(images, tower.streams)
    assert found.grid == (1, 1)
    for stream in ("tokens", "value"):  # one key: attention is its value
        assert_close(tower.project(found.dense[stream])[:, 0], found.pooled, **TOLERANCE)
    assert_close(found.pooled, network(images), **TOLERANCE)


@torch.no_grad()
@pytest.mark.parametrize("name", NO_CLASS_TOKEN)
def test_an_image_of_one_colour_has_one_patch_many_times(name):
    """Without positions all patches are alike, and what attention yields is their value."""
    network = shake(NO_CLASS_TOKEN[name](**TIMM))
    network.pos_embed.zero_()
    tower = read_timm(network, None, alias_first_block=False)
    colours = torch.tensor([[0.3, -1.0, 0.5], [1.0, 0.2, -0.4]])
    found = tower.encode(colours[:, :, None, None].expand(2, 3, SIDE, SIDE), tower.streams)
    for stream in ("tokens", "value"):
        joint = tower.project(found.dense[stream])
        assert_close(joint, found.pooled[:, None].expand_as(joint), **TOLERANCE)
    v_v = found.dense["vv"]
    assert_close(v_v, v_v[:, :1].expand_as(v_v), **TOLERANCE)
    assert_close(
        network(colours[:, :, None, None].expand(2, 3, SIDE, SIDE)), found.pooled, **TOLERANCE
    )
