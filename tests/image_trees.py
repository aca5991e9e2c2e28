"""Image trees that tests grow: one tiny real JPEG, linked under every name."""

import json
import os
from collections.abc import Iterable
from pathlib import Path

from PIL import Image

# Where the published split files lie: PLP_SPLITS_ROOT, else beside the repository.
SPLITS_ROOT = Path(
    os.environ.get("PLP_SPLITS_ROOT") or Path(__file__).resolve().parents[2] / "shared" / "splits"
)


def grow(root: Path, paths: Iterable[str]) -> Path:
    """Put a JPEG at each path below `root`."""
    root.mkdir(parents=True, exist_ok=True)
    seed = root / ".seed"
    Image.new("RGB", (8, 8), (200, 120, 40)).save(seed, "JPEG")
    paths = list(paths)
    for folder in {Path(path).parent for path in paths}:
        (root / folder).mkdir(parents=True, exist_ok=True)
    for path in paths:
        os.link(seed, root / path)
    seed.unlink()
    return root


def rows_of(file: Path) -> dict[str, list]:
    """Read a split file."""
    return json.loads(file.read_text(encoding="utf-8"))


def grow_split(root: Path, images: Path, file: Path) -> Path:
    """Grow a whole dataset: a split file in `root`, and each of its images in `images`."""
    rows = rows_of(file)
    grow(images, {row[0] for part in rows.values() for row in part})
    (root / file.name).write_bytes(file.read_bytes())
    return root


def write_split(file: Path, classes: Iterable[str], per_class: int = 4, tests: int = 1) -> None:
    """Write a split: of each class one image to validate, `tests` to test, the rest to train."""
    parts: dict[str, list] = {"train": [], "val": [], "test": []}
    for label, name in enumerate(classes):
        for i in range(per_class):
            part = "val" if i == 0 else "test" if i <= tests else "train"
            parts[part].append([f"{name}/{i}.jpg", label, name])
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(parts), encoding="utf-8")
