#!/usr/bin/env bash
# open_clip's CoCa normalises features unless told not to; its other models do so only when told.
#
# Versions   open_clip_torch 3.3.0, timm 1.0.31, torch 2.14.1, torchvision 0.29.1.
# Behaviour  encode_image and encode_text have one keyword, normalize. Its default is True in CoCa
#            and False in CLIP and CustomTextCLIP, the two classes behind every other architecture.
# Guess      One call, one meaning: create_model(ARCH).encode_image(x) gives the unnormalised
#            embedding whatever ARCH is, and what averages embeddings (of templates, of views)
#            weighs them by their lengths for all models or for none.
# Seen       Rows of CoCa have length 1 in image and text, those of CLIP have not. So a mean over
#            views is a mean of directions for CoCa and one of vectors for CLIP: the same script
#            gives classifiers of two kinds, without a word.
# Twice      With normalize=False CoCa's rows have other lengths, and dividing them by these by hand
#            gives what the default gave; the mean of two views differs between the two by more
#            than rounding.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
export PYTHONNOUSERSITE=1
unset PYTHONPATH
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q open_clip_torch==3.3.0 timm==1.0.31 \
  torch==2.14.1 torchvision==0.29.1 numpy==2.4.6

"$folder/venv/bin/python" - <<'PY'
import inspect
import sys

import torch
from open_clip.coca_model import CoCa
from open_clip.model import CLIP, CustomTextCLIP

VISION = {"layers": 2, "width": 32, "head_width": 16, "patch_size": 8, "image_size": 32}
TEXT = {"context_length": 8, "vocab_size": 16, "width": 32, "heads": 2, "layers": 2}
FUSION = {**TEXT, "mlp_ratio": 4}

defaults = {
    (kind.__name__, name): inspect.signature(getattr(kind, name)).parameters["normalize"].default
    for kind in (CLIP, CustomTextCLIP, CoCa)
    for name in ("encode_image", "encode_text")
}
torch.manual_seed(0)
clip = CLIP(embed_dim=24, vision_cfg=dict(VISION), text_cfg=dict(TEXT)).eval()
coca = CoCa(
    embed_dim=24,
    multimodal_cfg=dict(FUSION),
    vision_cfg={**VISION, "attentional_pool": True, "attn_pooler_heads": 2, "output_tokens": True},
    text_cfg={**TEXT, "embed_cls": True, "output_tokens": True, "pad_id": 0},
).eval()
views = torch.randn(2, 3, 32, 32)
words = torch.tensor([[1, 5, 7, 15, 0, 0, 0, 0], [1, 3, 15, 0, 0, 0, 0, 0]])
with torch.no_grad():
    lengths = {
        "CLIP image": clip.encode_image(views).norm(dim=-1),
        "CLIP text": clip.encode_text(words).norm(dim=-1),
        "CoCa image": coca.encode_image(views).norm(dim=-1),
        "CoCa text": coca.encode_text(words).norm(dim=-1),
    }
    usual, raw = coca.encode_image(views), coca.encode_image(views, normalize=False)
by_hand = raw / raw.norm(dim=-1, keepdim=True)
direction = torch.nn.functional.normalize
between = (direction(usual.mean(0), dim=0) - direction(raw.mean(0), dim=0)).abs().max().item()
for name, value in lengths.items():
    print(f"{name:10}  lengths {[round(x, 4) for x in value.tolist()]}")
print("defaults   ", defaults)
print(f"mean of two views, of directions and of vectors: {between:.1e} apart")

one = torch.ones(2)
ok = (
    all(defaults["CoCa", name] is True for name in ("encode_image", "encode_text"))
    and not any(value for (kind, _), value in defaults.items() if kind != "CoCa")
    and torch.allclose(lengths["CoCa image"], one)
    and torch.allclose(lengths["CoCa text"], one)
    and not torch.allclose(lengths["CLIP image"], one, atol=1e-2)
    and not torch.allclose(lengths["CLIP text"], one, atol=1e-2)
    and torch.allclose(by_hand, usual, atol=1e-6)
    and between > 1e-5
)
print("as described" if ok else "CHANGED")
sys.exit(not ok)
PY
