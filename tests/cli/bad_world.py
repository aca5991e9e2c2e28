"""A small world for bad inputs: everything a command needs, good, in a folder anyone may read."""

import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from tiny_runs import CLASSES, make_photos, write_config

from plp.cli import main as door
from plp.testing.clip_weights import TINY, write_clip_weights


class World(NamedTuple):
    """Good files and folders.

    Attributes:
        base: The folder they are all in.
        weights: Weights of the backbone.
        config: Config file.
        photos: Folder of three classes.
        coop: The same in CoOp's layout, with a split file.
        others: Folder of images of other kinds.
        run: Work directory of a finished run.
    """

    base: Path
    weights: Path
    config: Path
    photos: Path
    coop: Path
    others: Path
    run: Path

    @property
    def checkpoint(self) -> Path:
        """The run's checkpoint."""
        return self.run / "model.safetensors"

    @property
    def image(self) -> Path:
        """A good image."""
        return self.photos / "ant" / "000.png"

    @property
    def split(self) -> Path:
        """The split file."""
        return self.coop / "split_zhou_Insects.json"

    @property
    def data(self) -> tuple[object, ...]:
        """Flags of the data and the device."""
        return "--dataset", "folder", "--data-root", self.photos, "--device", "cpu"


def make_world(root: Path, base: Path) -> World:
    """Write everything, and train for two epochs."""
    weights = write_clip_weights(base / "tiny.pt", TINY, seed=0)
    photos = make_photos(base / "photos", dict.fromkeys(CLASSES, 6))
    others = make_photos(base / "others", {"dog": 3})
    coop = base / "coop"
    shutil.copytree(photos, coop / "images")
    (coop / "split_zhou_Insects.json").write_text(json.dumps(split_of(photos)), encoding="utf-8")
    config = base / "tiny.py"
    backbone = {"arch": "tiny", "pretrained": str(weights), "model_config": TINY.model_config()}
    more = "data.update(shots=2)\ntrain_cfg = dict(max_epochs=2)\n"
    write_config(config, root / "configs/sotglp/vitb16_16shot.py", backbone, more)
    world = World(base, weights, config, photos, coop, others, base / "run")
    argv = map(str, (config, *world.data, "--work-dir", world.run))
    assert door.run("train", list(argv)) == 0
    return world


def split_of(photos: Path) -> dict[str, list[list[object]]]:
    """Return a split of classes: three images each to train, one to validate, two to test."""
    parts: dict[str, list[list[object]]] = {"train": [], "val": [], "test": []}
    for label, name in enumerate(CLASSES):
        for i, path in enumerate(sorted((photos / name).iterdir())):
            part = ("train", "train", "train", "val", "test", "test")[i]
            parts[part].append([f"{name}/{path.name}", label, name])
    return parts


@pytest.fixture(scope="session")
def world(root) -> Iterator[World]:
    """The good world; nothing in it may change."""
    with tempfile.TemporaryDirectory(prefix="plp bad inputs ") as folder:
        os.chmod(folder, 0o755)
        yield make_world(root, Path(folder))


@pytest.fixture
def place(world, monkeypatch) -> Iterator[Path]:
    """An empty folder that is the current one, and where caches would be."""
    folder = Path(tempfile.mkdtemp(prefix="case", dir=world.base))
    os.chmod(folder, 0o777)
    monkeypatch.chdir(folder)
    monkeypatch.setenv("PLP_CACHE_DIR", str(folder / "cache"))
    monkeypatch.delenv("PLP_DATA_ROOT", raising=False)
    yield folder
    for path in folder.rglob("*"):
        if path.is_dir() and not path.is_symlink():
            path.chmod(0o755)
    shutil.rmtree(folder)
