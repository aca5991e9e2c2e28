#!/usr/bin/env bash
# open_clip's CoCa text tower pools a class token that sees a padding place and not itself.
#
# Versions   open_clip_torch 3.3.0, timm 1.0.31, torch 2.14.1, torchvision 0.29.1.
# Behaviour  With embed_cls the class token is appended behind the text, but its place in the
#            padding mask is added in front. The mask is shifted by one: every query reads the
#            first padding place, and none reads the class token. The tower has a switch for it,
#            correct_cls_mask, which no configuration reaches: CLIPTextCfg has no such key.
# Guess      A text feature depends on the words and the class token, never on what stands for
#            "nothing", and a model made from a new configuration has the right mask.
# Seen       A text of 3 words in a context of 8: the feature moves when the embedding of the
#            padding token moves, and stays for a text that fills its context. With
#            correct_cls_mask set by hand it stays for both. Naming the key in text_cfg raises
#            TypeError.
# Twice      The one layer is written out anew in float64 for both sets of places: words and first
#            padding is what the model gives, words and class token what the switch gives.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
export PYTHONNOUSERSITE=1
unset PYTHONPATH
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q open_clip_torch==3.3.0 timm==1.0.31 \
  torch==2.14.1 torchvision==0.29.1 numpy==2.4.6

"$folder/venv/bin/python" - <<'PY'
import sys

import open_clip
import torch
import torch.nn.functional as F

SIZE, HEADS, PLACES = 16, 2, 8
VISION = {"layers": 1, "width": 16, "head_width": 8, "patch_size": 8, "image_size": 8}
TEXT = {
    "context_length": PLACES,
    "vocab_size": 12,
    "width": SIZE,
    "heads": HEADS,
    "layers": 1,
    "embed_cls": True,
}
short = torch.tensor([[1, 2, 3, 0, 0, 0, 0, 0]])
full = torch.tensor([[1, 2, 3, 4, 5, 6, 7, 8]])


def tower(**more):
    """The text tower of a tiny CLIP, random but the same each time, in float64."""
    torch.manual_seed(0)
    model = open_clip.CustomTextCLIP(SIZE, VISION, {**TEXT, **more})
    return model.text.double().eval()


def own_feature(model, text, seen):
    """The class token's feature when it reads only the places in seen."""
    words = torch.cat([model.token_embedding(text)[0], model.cls_emb[None]])
    x = words + model.positional_embedding
    block = model.transformer.resblocks[0]
    packed = F.linear(block.ln_1(x), block.attn.in_proj_weight, block.attn.in_proj_bias)
    query, key, value = packed.chunk(3, -1)
    heads = []
    for q, k, v in zip(query[-1].chunk(HEADS), key.chunk(HEADS, -1), value.chunk(HEADS, -1)):
        weights = (k[seen] @ q / q.numel() ** 0.5).softmax(0)
        heads.append(weights @ v[seen])
    y = x[-1] + block.attn.out_proj(torch.cat(heads))
    y = y + block.mlp(block.ln_2(y))
    return model.ln_final(y) @ model.text_projection


def moves(model, text):
    """How far the feature moves when the padding token's embedding does."""
    before = model(text)
    with torch.no_grad():
        model.token_embedding.weight[0, ::2] += 1.0
        after = model(text)
        model.token_embedding.weight[0, ::2] -= 1.0
    return (before - after).abs().max().item()


same = True
try:
    tower(correct_cls_mask=True)
    same = False
except TypeError as error:
    print("from the configuration:", error)

words = [0, 1, 2]
places = {False: [*words, len(words)], True: [*words, PLACES]}
with torch.no_grad():
    for corrected, seen in places.items():
        model = tower()
        model.correct_cls_mask = corrected
        padded, filled = moves(model, short), moves(model, full)
        feature = model(short)[0]
        misfit = (feature - own_feature(model, short, seen)).abs().max().item()
        other = (feature - own_feature(model, short, places[not corrected])).abs().max().item()
        print(
            f"correct_cls_mask={corrected}: padding moves the feature by {padded:.2g} "
            f"(full context: {filled:.2g}); {misfit:.1e} from places {seen}, "
            f"{other:.2g} from places {places[not corrected]}"
        )
        same &= (padded > 1e-3) != corrected and filled < 1e-12 and misfit < 1e-12 < 1e-3 < other
        same &= padded > 1e-3 or padded < 1e-12
sys.exit(0 if same else "the behaviour has changed")
PY
echo "as described"
