"""Make the stored files of an old plp that newer ones must still read.

Run with the tree of the old commit on PYTHONPATH, from an empty folder:

    PYTHONPATH=OLD_TREE python make_artefacts.py NEW_FOLDER

A tiny seeded CLIP is trained for four epochs on seeded photos; what is stored is the finished run,
the state after its second epoch, the feature cache, and what the old code predicts.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
from PIL import Image

CLASSES = ("ant", "bee", "cat")
COUNTS = {"train": 6, "val": 3, "test": 5}
CONFIG = Path(__file__).with_name("old_config.py")
STOP = """
import signal, os
from mmengine.hooks import Hook
from plp.registry import HOOKS

@HOOKS.register_module()
class KillHook(Hook):
    priority = "LOWEST"

    def before_train_epoch(self, runner):
        if runner.epoch == 2:
            os.kill(os.getpid(), signal.SIGKILL)
"""


def make_photos(root: Path) -> Path:
    """Write seeded noise, each class of a colour of its own, in train/, val/ and test/."""
    generator = np.random.default_rng(7)
    for part, count in COUNTS.items():
        for number, name in enumerate(CLASSES):
            (root / part / name).mkdir(parents=True)
            for i in range(count):
                colour = 60.0 + 130.0 * np.eye(3)[number]
                pixels = np.clip(generator.normal(colour, 40.0, (40, 50, 3)), 0, 255)
                image = Image.fromarray(pixels.astype(np.uint8))
                image.save(root / part / name / f"{i:03d}.png")
    return root


def set_up(folder: Path) -> None:
    """Write what the run is made of: weights, photos and the config, under relative names."""
    from plp.testing.clip_weights import TINY, write_clip_weights

    write_clip_weights(folder / "tiny.pt", TINY, seed=0)
    make_photos(folder / "photos")
    shutil.copyfile(CONFIG, folder / "config.py")


def train(folder: Path, work_dir: str, *flags: str) -> int:
    """Train in a process of its own, with one thread and names relative to the folder."""
    code = (
        "import sys; from plp.cli.options import run_tool; from plp.cli.train import main; "
        "sys.exit(run_tool(main))"
    )
    argv = ["config.py", "--dataset", "folder", "--data-root", "photos", "--device", "cpu"]
    return subprocess.run(
        [sys.executable, "-c", code, *argv, "--work-dir", work_dir, *flags],
        cwd=folder,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        check=False,
    ).returncode


def in_class_order(prediction) -> list[float]:
    """Return the probabilities of a prediction by class, not by rank."""
    found = dict(zip(prediction.labels, prediction.probabilities, strict=True))
    return [found[name] for name in CLASSES]


def predictions(folder: Path, work_dir: str) -> dict[str, list[float]]:
    """Return the probabilities of the test images by class name."""
    import plp

    os.chdir(folder)
    clf = plp.load(work_dir, device="cpu")
    paths = sorted((folder / "photos/test").rglob("*.png"))
    found = clf.predict(paths, top_k=len(CLASSES))
    return {
        f"{p.parent.name}/{p.name}": in_class_order(one)
        for p, one in zip(paths, found, strict=True)
    }


def main(out: Path) -> None:
    """Write the artefacts to a folder."""
    here = Path.cwd()
    set_up(here)
    if train(here, "run", "--cfg-options", "data.feature_cache=features", "data.views=1") != 0:
        sys.exit("the run failed")
    (here / "kill_hook.py").write_text(STOP)
    os.environ["PYTHONPATH"] = f"{os.environ['PYTHONPATH']}:{here}"
    config = (here / "config.py").read_text()
    (here / "config.py").write_text(
        config + "custom_imports = dict(imports=['kill_hook'])\n"
        "custom_hooks = [dict(type='KillHook')]\n"
    )
    options = ("--cfg-options", "data.feature_cache=features", "data.views=1")
    if train(here, "half", *options) != -9:
        sys.exit("the second run was not killed")
    out.mkdir(parents=True)
    for name in ("model.safetensors", "result.json", "curves.jsonl", "best.safetensors"):
        shutil.copyfile(here / "run" / name, out / name)
    (out / "half").mkdir()
    for name in ("state.pth", "curves.jsonl", "best.safetensors"):
        shutil.copyfile(here / "half" / name, out / "half" / name)
    shutil.copytree(here / "features", out / "features")
    found = predictions(here, "run")
    (out / "predictions.json").write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]).absolute())
