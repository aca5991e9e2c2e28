#!/usr/bin/env bash
# A transformers model put into float64 still computes in float32 inside its RMS norms.
#
# Versions   transformers 5.24.0, torch 2.14.1.
# Behaviour  The RMS norms of T5 and of Llama cast to float32 whatever comes in. After .double()
#            weights, inputs and outputs are float64, but T5 takes the mean square in float32, and
#            Llama rounds the whole normed vector to float32.
# Guess      model.double() computes in double precision; the cast "to float32" is there to widen
#            half precision, and leaves wider types alone.
# Seen       Both are 1e-7 away from the norm in float64 (torch's own rms_norm: 1e-15). Every value
#            of Llama's norm is exactly a float32. torch.autograd.gradcheck, with its settings for
#            float64, refuses both and accepts torch's.
# Twice      The norm is written out anew in float64, and in float32 where each model has it: the
#            second reproduces both outputs to 1e-15.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
export PYTHONNOUSERSITE=1
unset PYTHONPATH
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q transformers==5.24.0 torch==2.14.1 numpy==2.4.6

"$folder/venv/bin/python" - <<'PY'
import sys

import torch
from transformers.models.llama.modeling_llama import LlamaRMSNorm
from transformers.models.t5.modeling_t5 import T5LayerNorm

EPS = 1e-6
torch.manual_seed(0)
states = torch.randn(4, 8, dtype=torch.float64, requires_grad=True)


def over_root(values, squares):
    """The values over the root of the mean of the squares."""
    return values * (squares.pow(2).mean(-1, keepdim=True) + EPS).rsqrt()


def passes_gradcheck(layer):
    """Whether numerical and analytical gradients agree."""
    return torch.autograd.gradcheck(layer, (states,), raise_exception=False)


exact = over_root(states, states)
single = states.float()
layers = {
    "T5": (T5LayerNorm(8, EPS).double(), over_root(states, single)),
    "Llama": (LlamaRMSNorm(8, EPS).double(), over_root(single, single).double()),
    "torch": (torch.nn.RMSNorm(8, EPS).double(), exact),
}
same = True
for name, (layer, own) in layers.items():
    out = layer(states)
    error, misfit = (out - exact).abs().max().item(), (out - own).abs().max().item()
    checked = passes_gradcheck(layer)
    in_single = torch.equal(out, out.float().double())
    print(
        f"{name}: {out.dtype}, {error:.1e} from float64, {misfit:.1e} from the own computation, "
        f"all values float32: {in_single}, gradcheck passes: {checked}"
    )
    wide = name == "torch"
    same &= out.dtype == torch.float64 and misfit < 1e-15 and checked == wide
    same &= (error < 1e-14) if wide else (1e-9 < error < 1e-6)
    same &= in_single == (name == "Llama")
sys.exit(0 if same else "the behaviour has changed")
PY
echo "as described"
