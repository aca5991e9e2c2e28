#!/usr/bin/env bash
# torchmetrics: AUROC of scores above 17 is 0.5, since they pass through a float32 sigmoid first.
#
# Versions   torchmetrics 1.9.0, torch 2.14.1.
# Behaviour  BinaryAUROC, BinaryAveragePrecision and BinaryROC take anything outside [0, 1] for
#            logits and apply a sigmoid. In float32 it is exactly 1 from about 17 on, so that larger
#            scores become ties. Energy or max-logit scores of CLIP (logit scale 100) lie there.
# Guess      AUROC depends on the order of scores alone, as in scikit-learn.
# Seen       The scores 20, 25, 30, 35 with the two largest positive: 0.5 in float32, 1.0 in float64,
#            1.0 for the same scores less 27. On 2000 drawn scores: more than 0.2 below the truth.
# Twice      Pairs counted by hand, and scikit-learn.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
export PYTHONNOUSERSITE=1
unset PYTHONPATH
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q torchmetrics==1.9.0 torch==2.14.1 numpy==2.4.6 scikit-learn==1.9.1

"$folder/venv/bin/python" - <<'PY'
import sys

import torch
from sklearn.metrics import roc_auc_score
from torchmetrics.classification import BinaryAUROC


def auroc(scores, positive):
    return float(BinaryAUROC()(scores, positive))


def pairs(scores, positive):
    """Share of pairs in the right order, ties by half."""
    inside, outside = scores[positive == 1].double(), scores[positive == 0].double()
    gap = inside[:, None] - outside
    return float((gap > 0).double().mean() + 0.5 * (gap == 0).double().mean())


few, label = torch.tensor([20.0, 25.0, 30.0, 35.0]), torch.tensor([0, 0, 1, 1])
small = auroc(few, label), auroc(few.double(), label), auroc(few - 27, label)
print("four scores: float32 %.3f, float64 %.3f, shifted %.3f" % small)
generator = torch.Generator().manual_seed(0)
labels = torch.arange(2000) % 2
scores = 28 + 2 * torch.randn(2000, generator=generator) + 2.5 * labels
found, truth = auroc(scores, labels), pairs(scores, labels)
learn = roc_auc_score(labels.numpy(), scores.numpy())
print(f"2000 scores: torchmetrics {found:.4f}, pairs {truth:.4f}, scikit-learn {learn:.4f}")
same = small == (0.5, 1.0, 1.0) and truth - found > 0.2 and abs(truth - learn) < 1e-6
sys.exit(0 if same else "torchmetrics ranks such scores in another way now")
PY
