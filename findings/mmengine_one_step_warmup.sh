#!/usr/bin/env bash
# In mmengine a warm-up of one step, end=1, lasts for ever: the learning rate never comes back.
#
# Versions   mmengine 0.10.7, torch 2.14.1.
# Behaviour  ConstantLR and LinearLR with begin=0, end=1 scale the rate when they are made and
#            never undo it. end=2 scales the same single step 0 and does restore it at step 1.
# Guess      [begin, end) is one step long, so the rate is back at step 1: that is how torch's
#            own schedulers of these names treat total_iters=1. No error, no warning.
# Seen       rate 1, factor 0.1, steps 0 to 5:
#              end=1   0.1 0.1 0.1 0.1 0.1 0.1     (torch, total_iters=1: 0.1 1 1 1 1 1)
#              end=2   0.1 1 1 1 1 1
# Twice      The rates are read from the optimizer, and again from how far each step moves a
#            weight with gradient 1.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
export PYTHONNOUSERSITE=1
unset PYTHONPATH
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q mmengine==0.10.7 torch==2.14.1 numpy==2.4.6

"$folder/venv/bin/python" - <<'PY'
import sys

import torch
from mmengine.optim import ConstantLR, LinearLR


def rates(make, steps=6):
    """The rates of the steps: as the optimizer says, and as a weight moves."""
    weight = torch.nn.Parameter(torch.zeros(1, dtype=torch.float64))
    optimizer = torch.optim.SGD([weight], lr=1.0)
    scheduler = make(optimizer)
    said, moved = [], []
    for _ in range(steps):
        said.append(optimizer.param_groups[0]["lr"])
        before = weight.item()
        weight.grad = torch.ones_like(weight)
        optimizer.step()
        moved.append(before - weight.item())
        scheduler.step()
    if any(abs(one - two) > 1e-9 for one, two in zip(said, moved)):
        sys.exit("the weight does not move by the rate the optimizer names")
    return [round(value, 6) for value in moved]


torchs = torch.optim.lr_scheduler
cases = {
    ("constant", "end=1"): lambda o: ConstantLR(o, factor=0.1, begin=0, end=1),
    ("constant", "end=2"): lambda o: ConstantLR(o, factor=0.1, begin=0, end=2),
    ("constant", "torch"): lambda o: torchs.ConstantLR(o, factor=0.1, total_iters=1),
    ("linear", "end=1"): lambda o: LinearLR(o, start_factor=0.1, begin=0, end=1),
    ("linear", "end=2"): lambda o: LinearLR(o, start_factor=0.1, begin=0, end=2),
    ("linear", "torch"): lambda o: torchs.LinearLR(o, start_factor=0.1, total_iters=1),
}
stuck, restored = [0.1] * 6, [0.1] + [1.0] * 5
same = True
for (kind, case), make in cases.items():
    found = rates(make)
    print(f"{kind:8} {case}: {found}")
    same &= found == (stuck if case == "end=1" else restored)
sys.exit(0 if same else "the behaviour has changed")
PY
echo "as described"
