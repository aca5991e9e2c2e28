"""Two training steps of SOT-GLP at full size, and the logits they lead to, as a program.

    PYTHONPATH=TREE python exact_steps.py TREE WEIGHTS OUT.npz

It uses nothing of plp but its command, `plp.load` and the data source, so that the same file runs
in the tree of an old commit and in a new one.
"""

import json
import os
import sys
from pathlib import Path

import numpy as np
import torch
from PIL import Image

TESTED = 4  # test images kept: the final test of all 1600 would take most of the time
STEPS = ["--dataset", "textile", "--shots", "8", "--device", "cpu", "--cfg-options"]
OPTIONS = ["data.batch_size=12", "data.num_workers=0", "train_cfg.max_epochs=1", "report=False"]


def pixels(root: Path, names: list[str]) -> torch.Tensor:
    """Return images as [B, 3, 224, 224], resized by nothing that plp could change."""
    images = [Image.open(root / name).convert("RGB").resize((224, 224), 0) for name in names]
    return torch.stack([torch.from_numpy(np.array(image)) for image in images]).permute(0, 3, 1, 2)


def main(tree: Path, weights: Path, out: Path) -> None:
    """Train, load, and write losses, logits and learned tensors."""
    import plp
    from plp.cli.options import run_tool
    from plp.cli.train import main as train
    from plp.registry import DATASETS

    source = DATASETS.get("Textile")
    whole = source.splits

    def few(self):
        splits = whole(self)
        return splits._replace(test=splits.test[:: len(splits.test) // TESTED][:TESTED])

    source.splits = few
    run = out.parent / f"{out.stem}_run"
    config = tree / "configs/sotglp/vitb16_16shot.py"
    argv = [str(config), "--work-dir", str(run), *STEPS, f"model.backbone.pretrained={weights}"]
    status = run_tool(train, [*argv, *OPTIONS])
    if status != 0:
        sys.exit(status)
    clf = plp.load(run, device="cpu", pretrained=str(weights))
    parts = whole(source())
    names = [item.path for item in parts.test[:3] + parts.test[-3:]]
    with torch.no_grad():
        logits = clf.learner(pixels(Path(parts.root), names), mode="tensor")
    losses = json.loads((run / "curves.jsonl").read_text().splitlines()[0])
    arrays = {f"logits.{name}": value.numpy() for name, value in logits.items()}
    arrays |= {f"loss.{k}": np.float64(v) for k, v in losses.items() if "loss" in k}
    learned = clf.learner.state_dict()
    arrays |= {f"learned.{name}": value.detach().numpy() for name, value in learned.items()}
    np.savez(out, **arrays)


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    torch.set_num_threads(1)
    main(*map(Path, sys.argv[1:4]))
