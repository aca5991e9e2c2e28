"""A backbone that the learners of a file share."""

import pytest
import torch

from plp.registry import BACKBONES


@pytest.fixture(scope="module")
def backbone():
    """One frozen CLIP of two layers and 16 patches for all learners of this file."""
    tower = dict(width=64, layers=2)
    vision = dict(**tower, head_width=32, image_size=64, patch_size=16)
    config = dict(embed_dim=32, vision_cfg=vision, text_cfg=dict(**tower, heads=2))
    return BACKBONES.build(
        dict(type="OpenCLIPBackbone", arch="tiny", pretrained=None, model_config=config)
    )


@pytest.fixture(scope="module")
def pixels():
    """Two images."""
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (2, 3, 64, 64), dtype=torch.uint8, generator=generator)
