#!/usr/bin/env bash
# timm: without a classifier, a weights file that lacks whole blocks is loaded without a word.
#
# Versions   timm 1.0.31, torch 2.14.1, torchvision 0.29.1, safetensors 0.8.0.
# Behaviour  create_model(..., num_classes=0) drops the classifier of the file and, because the file
#            no longer fits to the letter, loads all the rest with strict=False as well. Parameters
#            that the file lacks keep their random start. With the file's own number of classes the
#            same file raises RuntimeError.
# Guess      Leaving the classifier out is one allowed difference; a missing block is an error, or a
#            warning at least.
# Seen       test_vit without blocks.3 in its file: its 12 tensors stay as drawn, with no warning and
#            no log line above INFO (4 of them are random numbers, the others ones and zeros); the
#            features are not those of the whole file.
# Twice      load_state_dict(strict=False) on the same file reports the 12 names; with the classes of
#            the file the same call raises.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
export PYTHONNOUSERSITE=1
unset PYTHONPATH
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q timm==1.0.31 torch==2.14.1 torchvision==0.29.1 \
  safetensors==0.8.0 numpy==2.4.6

"$folder/venv/bin/python" - "$folder/weights.safetensors" <<'PY'
import logging
import sys
import warnings

import timm
import torch
from safetensors.torch import save_file

NAME, FILE = "test_vit", sys.argv[1]
torch.manual_seed(0)
whole = timm.create_model(NAME).eval()
state = whole.state_dict()
some = {name: value for name, value in state.items() if not name.startswith("blocks.3.")}
lines = []


class Lines(logging.Handler):
    def emit(self, record):
        if record.levelno >= logging.WARNING:
            lines.append(record.getMessage())


logging.getLogger().addHandler(Lines())


def load(tensors, classes):
    save_file(tensors, FILE)
    torch.manual_seed(1)
    return timm.create_model(
        NAME, pretrained=True, pretrained_cfg_overlay={"file": FILE}, num_classes=classes
    ).eval()


with warnings.catch_warnings(record=True) as told:
    warnings.simplefilter("always")
    bare = load(some, 0)
told = [one for one in told if "strict" in str(one.message) or "missing" in str(one.message)]
drawn = [name for name, value in bare.state_dict().items() if not torch.equal(value, state[name])]
again = timm.create_model(NAME, num_classes=0)
reported = again.load_state_dict(some, strict=False).missing_keys
images = torch.rand(2, 3, 160, 160)
with torch.no_grad():
    gap = float((bare(images) - load(state, 0)(images)).abs().max())
try:
    load(some, 1000)
    raised = "nothing"
except RuntimeError as error:
    raised = "RuntimeError" if "blocks.3" in str(error) else "another error"
print(f"without classifier: {len(drawn)} tensors differ from the file's model, {len(reported)} are "
      f"missing; warnings {len(told)}, log lines {len(lines)}; features apart by {gap:.3f}")
print(f"with the file's classes: {raised}")
same = set(drawn) <= set(reported) and len(reported) == 12 and drawn and gap > 1e-3
same = same and not told and not lines and raised == "RuntimeError"
sys.exit(0 if same else "timm tells of what is missing now")
PY
