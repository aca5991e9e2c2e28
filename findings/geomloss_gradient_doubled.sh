#!/usr/bin/env bash
# geomloss.ot.solve gives a gradient of its value that is twice the derivative of that value.
#
# Versions   geomloss 0.3.1, torch 2.14.1.
# Behaviour  The gradient of `value` with respect to the cost matrix is two transport plans, for
#            every size and regularisation tried; `solve_sample` doubles likewise. The value
#            itself is right. A training run thus takes steps of twice the learning rate, and the
#            weight of a transport term beside other losses is not the one written down.
# Guess      By the envelope theorem the gradient of min_P <P, C> + reg KL(P | a b^T) is P.
# Seen       Differences of `value` agree with the plan to 1e-6, autograd's gradient with twice
#            the plan; its entries sum to 2 where the plan's mass is 1.
# Twice      Central differences of the value, and the plan of a Sinkhorn iteration written out.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
export PYTHONNOUSERSITE=1
unset PYTHONPATH
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q geomloss==0.3.1 torch==2.14.1 numpy==2.4.6

"$folder/venv/bin/python" - <<'PY'
import sys
import warnings

import geomloss.ot
import torch

warnings.simplefilter("ignore")


def solve(cost, reg):
    return geomloss.ot.solve(cost, reg=reg, max_iter=400)


def own_plan(cost, reg):
    """Sinkhorn's iteration between uniform masses, with logarithms, to the end."""
    rows, columns = cost.shape
    kernel, f, g = -cost / reg, torch.zeros(rows).double(), torch.zeros(columns).double()
    for _ in range(4000):
        f = -(kernel + g).logsumexp(1) - torch.tensor(float(rows)).log()
        g = -(kernel + f[:, None]).logsumexp(0) - torch.tensor(float(columns)).log()
    return (kernel + f[:, None] + g).exp()


torch.manual_seed(0)
wrong = []
for rows, columns, reg in [(5, 3, 0.5), (8, 8, 1.0), (3, 7, 10.0)]:
    cost = torch.rand(rows, columns).double()
    leaf = cost.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(solve(leaf, reg).value, leaf)
    plan = own_plan(cost, reg)
    way = torch.randn(rows, columns).double()
    ahead, back = (solve(cost + step * way, reg).value for step in (1e-5, -1e-5))
    slope = float(ahead - back) / 2e-5
    along = float((gradient * way).sum())
    print(f"{rows} x {columns}, reg {reg}: slope {slope:.6f}, plan {float((plan * way).sum()):.6f}, "
          f"gradient {along:.6f}; its sum {float(gradient.sum()):.6f}")
    wrong += [abs(slope - float((plan * way).sum())) > 1e-4, abs(along - 2 * slope) > 1e-4,
              abs(float(gradient.sum()) - 2) > 1e-6]
sys.exit("the gradient is no longer twice the slope" if any(wrong) else 0)
PY
