#!/usr/bin/env bash
# transformers: EfficientNet's image processor divides by the standard deviation twice.
#
# Versions   transformers 5.24.0, torch 2.14.1, torchvision 0.29.1, pillow 12.3.0.
# Behaviour  With include_top=True, the default, EfficientNetImageProcessor normalises as it says and
#            then divides once more by image_std, with a mean of zero. ALIGN uses this processor.
# Guess      (x - mean) / std, as image_mean, image_std and do_normalize say of every processor.
# Seen       Grey 200 with mean and std 0.5: 1.1373; one normalisation gives 0.5686.
# Twice      (200 / 255 - 0.5) / 0.5^2 by hand; include_top=False gives (200 / 255 - 0.5) / 0.5.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
export PYTHONNOUSERSITE=1 HF_HUB_OFFLINE=1
unset PYTHONPATH
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q transformers==5.24.0 torch==2.14.1 torchvision==0.29.1 \
  pillow==12.3.0 numpy==2.4.6

"$folder/venv/bin/python" - <<'PY'
import sys

import numpy as np
from PIL import Image
from transformers import EfficientNetImageProcessor

image = Image.fromarray(np.full((400, 400, 3), 200, dtype=np.uint8))
values = {}
for top in (None, True, False):
    options = {} if top is None else {"include_top": top}
    processor = EfficientNetImageProcessor(**options)
    assert {*processor.image_mean, *processor.image_std} == {0.5}
    found = processor(image, return_tensors="pt")["pixel_values"]
    values[top] = float(found.mean())
once = (200 / 255 - 0.5) / 0.5
print(f"default {values[None]:.4f}, include_top=True {values[True]:.4f}, "
      f"include_top=False {values[False]:.4f}; by hand once {once:.4f}, twice {once / 0.5:.4f}")
same = abs(values[None] - once / 0.5) < 1e-4 and values[None] == values[True]
sys.exit(0 if same and abs(values[False] - once) < 1e-4 else "normalised once now")
PY
