#!/usr/bin/env bash
# torchmetrics: whether class scores get a softmax is decided batch by batch.
#
# Versions   torchmetrics 1.9.0, torch 2.14.1.
# Behaviour  MulticlassAUROC and MulticlassCalibrationError apply a softmax in `update` where a value
#            of that batch lies outside [0, 1]. Cosines of CLIP lie between 0.1 and 0.4, so that a
#            batch is taken for probabilities unless one of its cosines happens to be negative. The
#            metric of the same scores then depends on how they are cut into batches.
# Guess      A metric over a stream of batches equals the metric over all of them at once.
# Seen       400 rows of cosines, one value -0.01: AUROC and calibration error at once and in 8
#            batches differ by more than 0.02.
# Twice      The same rows with the softmax applied beforehand: no difference between the cuts, and
#            one-against-rest AUROC counted by pairs gives both of the numbers seen at once.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
export PYTHONNOUSERSITE=1
unset PYTHONPATH
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q torchmetrics==1.9.0 torch==2.14.1 numpy==2.4.6

"$folder/venv/bin/python" - <<'PY'
import sys

import torch
from torchmetrics.classification import MulticlassAUROC, MulticlassCalibrationError

ROWS, CLASSES = 400, 5
generator = torch.Generator().manual_seed(0)
label = torch.randint(0, CLASSES, (ROWS,), generator=generator)
cosines = 0.15 + 0.1 * torch.rand(ROWS, CLASSES, generator=generator)
cosines += 0.06 * torch.rand(ROWS, 1, generator=generator)
cosines[torch.arange(ROWS), label] += 0.03
mixed = cosines.clone()
mixed[0, 0] = -0.01


def metric(kind, scores, batches, **options):
    one = kind(CLASSES, **options)
    for some, labels in zip(scores.chunk(batches), label.chunk(batches)):
        one.update(some, labels)
    return float(one.compute())


def by_pairs(scores):
    """Mean over classes of the share of pairs in the right order."""
    shares = []
    for c in range(CLASSES):
        gap = scores[label == c, c].double()[:, None] - scores[label != c, c].double()
        shares.append((gap > 0).double().mean() + 0.5 * (gap == 0).double().mean())
    return float(torch.stack(shares).mean())


same = []
for kind, options in [(MulticlassAUROC, {}), (MulticlassCalibrationError, {"n_bins": 10})]:
    whole, cut = (metric(kind, mixed, n, **options) for n in (1, 8))
    soft = [metric(kind, mixed.softmax(1), n, **options) for n in (1, 8)]
    print(f"{kind.__name__}: at once {whole:.4f}, in 8 batches {cut:.4f}; softmax first {soft}")
    same += [abs(whole - cut) > 0.02, abs(soft[0] - soft[1]) < 1e-6, abs(whole - soft[0]) < 1e-6]
for scores, seen in [(cosines, cosines), (mixed, mixed.softmax(1))]:
    same.append(abs(metric(MulticlassAUROC, scores, 1) - by_pairs(seen)) < 1e-5)
sys.exit(0 if all(same) else "the decision is made in another way now")
PY
