#!/usr/bin/env bash
# Pillow 13 filters the columns of some pictures first, and 8-bit results move by tens of levels.
#
# Versions   pillow 12.3.0 against pillow 13.0.0, both with numpy 2.4.6.
# Behaviour  Image.resize works in two passes, and rounds and clips to 8 bits between them. Up to
#            12.3.0 the rows always go first. 13.0.0 takes the columns first for some shapes
#            (here 128 high, 32 wide to 16 high, 64 wide; not for the same picture lying on its
#            side). Bicubic and Lanczos overshoot at hard edges, and what the first pass clips is
#            lost to the second, so the order shows.
# Guess      A separable filter is linear: the order of its passes changes a pixel by one level
#            of rounding at most, and a new release does not change what "bicubic" means.
# Seen       BILINEAR 1, BICUBIC 17 and LANCZOS 32 levels between the releases; none for the
#            picture on its side. In mode F, where nothing is clipped, both agree to 1e-4.
# Twice      The bicubic passes are computed anew with numpy, in both orders: 12.3.0 is the
#            rows-first result, 13.0.0 the columns-first result, to the level.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
export PYTHONNOUSERSITE=1
unset PYTHONPATH

cat > "$folder/resize.py" <<'PY'
import sys

import numpy as np
import PIL
from PIL import Image

tiles = np.random.default_rng(0).integers(0, 2, (32, 8), dtype=np.uint8)
tall = np.kron(tiles * np.uint8(255), np.ones((4, 4), np.uint8))


def resized(pixels, height, width, name):
    """The picture after Pillow's resize."""
    image = Image.fromarray(pixels)
    return np.asarray(image.resize((width, height), getattr(Image.Resampling, name)))


def weights(old, new):
    """One pass of the bicubic filter (a = -1/2), widened when it shrinks, as a matrix."""
    step = old / new
    spread = max(step, 1.0)
    centres = (np.arange(new) + 0.5) * step
    away = (np.arange(old)[None] + 0.5 - centres[:, None]) / spread
    d = np.abs(away)
    near, far = 1.5 * d**3 - 2.5 * d**2 + 1, -0.5 * d**3 + 2.5 * d**2 - 4 * d + 2
    filled = np.where(d < 1, near, np.where(d < 2, far, 0.0))
    return filled / filled.sum(1, keepdims=True)


def eight_bits(values):
    """Round to the nearest level and clip."""
    return np.clip(np.floor(values + 0.5), 0, 255)


found = {name: resized(tall, 16, 64, name) for name in ("BILINEAR", "BICUBIC", "LANCZOS")}
found["side"] = resized(tall.T.copy(), 64, 16, "BICUBIC")
found["float"] = resized(tall.astype(np.float32), 16, 64, "BICUBIC")
down, across = weights(128, 16), weights(32, 64)
rows_first = eight_bits(down @ eight_bits(tall @ across.T))
columns_first = eight_bits(eight_bits(down @ tall) @ across.T)
for order, own in (("rows", rows_first), ("columns", columns_first)):
    found[order] = np.abs(found["BICUBIC"] - own).max()
    print(f"pillow {PIL.__version__}: {found[order]:.0f} levels from {order} first")
np.savez(sys.argv[1], **found)
PY

for version in 12.3.0 13.0.0; do
  "${PYTHON:-python3}" -m venv "$folder/venv"
  "$folder/venv/bin/pip" install -q "pillow==$version" numpy==2.4.6
  "$folder/venv/bin/python" "$folder/resize.py" "$folder/$version.npz"
  [ "$version" = 13.0.0 ] || rm -r "$folder/venv"
done

"$folder/venv/bin/python" - "$folder" <<'PY'
import sys

import numpy as np

old, new = (np.load(f"{sys.argv[1]}/{version}.npz") for version in ("12.3.0", "13.0.0"))
moved = {
    name: float(np.abs(old[name].astype(float) - new[name]).max())
    for name in ("BILINEAR", "BICUBIC", "LANCZOS", "side", "float")
}
print("largest difference between the releases:", moved)
same = (
    old["rows"] == 0
    and old["columns"] > 10
    and new["columns"] == 0
    and new["rows"] > 10
    and moved["BILINEAR"] <= 1
    and moved["BICUBIC"] > 10
    and moved["LANCZOS"] > 20
    and moved["side"] == 0
    and moved["float"] < 1e-4
)
sys.exit(0 if same else "the behaviour has changed")
PY
echo "as described"
