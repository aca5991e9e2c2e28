"""Which pass PIL takes first is its own choice, and counts wherever an overshoot is clipped."""

import numpy as np
import PIL
import torch
from PIL import Image

from plp.transforms.crops import Crops


def test_black_and_white_noise_is_many_levels_off_where_pil_begins_with_columns():
    """docs/performance.md: not by 2 of 255, which an earlier text promised."""
    pixels = 255 * np.random.default_rng(0).integers(0, 2, (500, 375, 3)).astype(np.uint8)
    whole = Image.fromarray(pixels).resize((336, 336), Image.Resampling.BICUBIC)
    region = torch.from_numpy(pixels).permute(2, 0, 1)
    found = Crops.of([region], torch.tensor([False])).resized(336, "bicubic")[0]
    off = (found.permute(1, 2, 0).int() - torch.from_numpy(np.array(whole)).int()).abs().max()
    if int(PIL.__version__.split(".")[0]) < 13:
        assert off == 0
    else:
        assert off >= 17
