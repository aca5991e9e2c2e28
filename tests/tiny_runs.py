"""Tiny image folders and runs that the tests of the engine and of the tools share."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from PIL import Image

from plp.cli import collect, compare, ood, print_config, protocol, test, train
from plp.cli.options import run_tool

MAINS = {
    "train": train.main, "test": test.main, "ood": ood.main, "print_config": print_config.main,
    "compare": compare.main, "collect": collect.main, "protocol": protocol.main,
}  # fmt: skip
CLASSES = ("ant", "bee", "cat")
SETTINGS = """\
_base_ = {base!r}
model = dict(backbone=dict({backbone}))
data = dict(shots=4, batch_size=5, eval_batch_size=16, num_workers=0, drop_last=False)
optim_wrapper = dict(optimizer=dict(lr=0.05))
train_cfg = dict(max_epochs=4, val_interval=2)
save_seconds = 0.0
report = False
shot_recipes = dict(_delete_=True)
"""


class Ended(NamedTuple):
    """How a tool ended."""

    status: int
    out: str
    err: str

    def told(self) -> str:
        """Return the one message of a tool that refused its input."""
        assert self.status == 2, (self.status, self.out, self.err)
        assert self.err.startswith("error: "), self.err
        assert self.err.count("error: ") == 1, self.err
        assert "Traceback" not in self.err + self.out
        return self.err


def make_photos(root: Path, counts: Mapping[str, int]) -> Path:
    """Write images, each class of a colour of its own under noise, `counts` of each."""
    generator = np.random.default_rng(0)
    for number, (name, count) in enumerate(counts.items()):
        (root / name).mkdir(parents=True)
        colour = 60.0 + 130.0 * np.eye(3)[number % 3]
        for i in range(count):
            pixels = np.clip(generator.normal(colour, 40.0, (40, 50, 3)), 0, 255)
            Image.fromarray(pixels.astype(np.uint8)).save(root / name / f"{i:03d}.png")
    return root


def write_config(path: Path, base: Path, backbone: Mapping[str, object], more: str = "") -> Path:
    """Write a config file that trains four epochs on a tiny backbone, saving after each."""
    keywords = ", ".join(f"{key}={value!r}" for key, value in backbone.items())
    path.write_text(SETTINGS.format(base=str(base), backbone=keywords) + more, encoding="utf-8")
    return path


def read_result(folder: Path) -> dict:
    """Read what a run wrote down."""
    return json.loads((folder / "result.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="session")
def tiny_backbone(tiny_options):
    """Keywords of the tiny backbone."""
    return {key.rpartition(".")[2]: value for key, value in tiny_options.items()}


@pytest.fixture(scope="session")
def config_with(root, tiny_backbone, tmp_path_factory):
    """Write the tiny config with lines of the test's own behind it."""

    def write(more: str = "") -> Path:
        path = tmp_path_factory.mktemp("configs") / "tiny.py"
        return write_config(path, root / "configs/sotglp/vitb16_16shot.py", tiny_backbone, more)

    return write


@pytest.fixture(scope="session")
def tiny_config(config_with):
    """A config file of the tiny backbone."""
    return config_with()


@pytest.fixture(scope="session")
def photos(tmp_path_factory):
    """A folder of three classes, twelve images each."""
    return make_photos(tmp_path_factory.mktemp("data") / "insects", dict.fromkeys(CLASSES, 12))


@pytest.fixture(scope="session")
def trained(tiny_config, photos, tmp_path_factory):
    """The work directory of an unbroken run."""
    folder = tmp_path_factory.mktemp("trained") / "run"
    data = ["--dataset", "folder", "--data-root", str(photos)]
    argv = [str(tiny_config), *data, "--work-dir", str(folder), "--device", "cpu"]
    assert run_tool(train.main, argv) == 0
    return folder


@pytest.fixture
def tool(capsys):
    """Run a tool in this process."""

    def run(name: str, *argv: object) -> Ended:
        capsys.readouterr()
        status = run_tool(MAINS[name], [str(argument) for argument in argv])
        return Ended(status, *capsys.readouterr())

    return run


@pytest.fixture
def train_tool(tool, tiny_config, photos, tmp_path):
    """Train on the CPU; what a test leaves out is the tiny config, the photos, a new folder."""

    def run(
        *flags: object,
        config: Path = tiny_config,
        data: Path | Sequence[object] = photos,
        work_dir: Path = tmp_path / "work",
    ) -> Ended:
        source = ["--dataset", "folder", "--data-root", data] if isinstance(data, Path) else data
        rest = ("--work-dir", work_dir, "--device", "cpu", *flags)
        return tool("train", config, *source, *rest)

    return run
