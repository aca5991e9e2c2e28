#!/usr/bin/env bash
# torch: on a CPU, FlopCounterMode counts attention as nothing, and a whole transformer layer too.
#
# Versions   torch 2.14.1, numpy 2.4.6.
# Behaviour  On a CPU scaled_dot_product_attention runs one fused operator that the counter has no
#            entry for, and counts as 0. In evaluation without gradient nn.MultiheadAttention and
#            nn.TransformerEncoderLayer run as one fused operator as well, projections and MLP
#            included, which is not counted either; with gradient the same modules are.
# Guess      Operations are counted by what is computed, so that the total of a module is the same
#            whichever kernel runs it; if one were not counted, a warning would say so.
# Seen       Attention of 4 heads, 50 tokens, width 64 a head: 0 as it comes, 2,560,000 with the
#            `MATH` kernel. A TransformerEncoderLayer: 0 in evaluation without gradient, 6,553,600
#            with gradient (attention is missing there too). No warning.
# Twice      By hand: 2 products of 2 * 4 * 50 * 50 * 64; the layer's matrices 2 * 100 tokens *
#            (4 * 64^2 + 2 * 64 * 128). Outputs of both ways agree to 1e-5: the same is computed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
export PYTHONNOUSERSITE=1
unset PYTHONPATH
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q torch==2.14.1 numpy==2.4.6

"$folder/venv/bin/python" - <<'PY'
import sys
import warnings

import torch
from torch.nn import functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

torch.manual_seed(0)
q = torch.randn(1, 4, 50, 64)
x = torch.randn(2, 50, 64)
layer = torch.nn.TransformerEncoderLayer(64, 4, 128, batch_first=True).eval()


def counted(function):
    with FlopCounterMode(display=False) as counter:
        out = function()
    return counter.get_total_flops(), out


with warnings.catch_warnings(record=True) as told:
    warnings.simplefilter("always")
    plain, fused_out = counted(lambda: F.scaled_dot_product_attention(q, q, q))
    with sdpa_kernel(SDPBackend.MATH):
        maths, math_out = counted(lambda: F.scaled_dot_product_attention(q, q, q))
    with torch.no_grad():
        quiet, quiet_out = counted(lambda: layer(x))
    loud, loud_out = counted(lambda: layer(x))
told = [one for one in told if "flop" in str(one.message).lower()]
by_hand = 2 * 2 * 4 * 50 * 50 * 64
matrices = 2 * 100 * (4 * 64**2 + 2 * 64 * 128)
print(f"attention: {plain} counted, {maths} with the MATH kernel, {by_hand} by hand")
print(f"layer: {quiet} without gradient, {loud} with it, {matrices} in its matrices by hand")
print(f"warnings: {len(told)}")
same = torch.allclose(fused_out, math_out, atol=1e-5)
same = same and torch.allclose(quiet_out, loud_out, atol=1e-5)
same = same and (plain, maths, quiet, loud) == (0, by_hand, 0, matrices) and not told
sys.exit(0 if same else "the counter sees fused operators of a CPU now")
PY
