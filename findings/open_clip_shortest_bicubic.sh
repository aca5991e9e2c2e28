#!/usr/bin/env bash
# open_clip: for a size that is not square, 'shortest' resizes with bicubic, whatever was asked for.
#
# Versions   open_clip_torch 3.3.0, torch 2.14.1, torchvision 0.29.1, pillow 12.3.0.
# Behaviour  image_transform(..., resize_mode='shortest') hands `interpolation` on for a square size.
#            For (height, width) it takes another resizing class and does not hand it on: that class'
#            own default, bicubic, is used. 'longest' and 'squash' keep what was asked for.
# Guess      interpolation='bilinear' holds for every size and mode, or is refused.
# Seen       Size (224, 160), bilinear asked for: the tensor is bit for bit that of bicubic.
# Twice      The same image through PIL's two filters: as bicubic, 0.12 away from bilinear at most.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
export PYTHONNOUSERSITE=1
unset PYTHONPATH
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q open_clip_torch==3.3.0 torch==2.14.1 torchvision==0.29.1 \
  pillow==12.3.0 numpy==2.4.6

"$folder/venv/bin/python" - <<'PY'
import sys

import numpy as np
import torch
from open_clip.transform import image_transform
from PIL import Image

SIZE = (224, 160)
pixels = np.random.default_rng(0).integers(0, 256, (448, 320, 3), dtype=np.uint8)
image = Image.fromarray(pixels)  # twice the size: nothing is cropped


def tensor(interpolation, mode, size=SIZE):
    return image_transform(
        size, is_train=False, mean=(0,) * 3, std=(1,) * 3, interpolation=interpolation,
        resize_mode=mode,
    )(image)


def by_hand(kernel):
    small = np.asarray(image.resize(SIZE[::-1], kernel))
    return torch.from_numpy(small).permute(2, 0, 1) / 255


same = torch.equal(tensor("bilinear", "shortest"), tensor("bicubic", "shortest"))
others = [
    not torch.equal(tensor("bilinear", mode, size), tensor("bicubic", mode, size))
    for mode, size in (("squash", SIZE), ("longest", SIZE), ("shortest", 224))
]
asked = tensor("bilinear", "shortest")
cubic = float((asked - by_hand(Image.Resampling.BICUBIC)).abs().max())
linear = float((asked - by_hand(Image.Resampling.BILINEAR)).abs().max())
print(f"shortest, {SIZE}: bilinear equals bicubic: {same}; elsewhere they differ: {all(others)}")
print(f"bilinear asked for: {cubic:.4f} from PIL's bicubic, {linear:.4f} from PIL's bilinear")
sys.exit(0 if same and all(others) and cubic < 0.01 < linear else "interpolation is kept now")
PY
