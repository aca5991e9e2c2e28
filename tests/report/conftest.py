"""A run and its report, of classes whose names are hard on markup and on figures."""

from pathlib import Path

import numpy as np
import pytest
from browser import find_browser
from PIL import Image
from tiny_runs import (  # noqa: F401 - fixtures
    config_with,
    photos,
    tiny_backbone,
    tiny_config,
    tool,
    train_tool,
    write_config,
)

from plp.cli import train
from plp.cli.options import run_tool

HARD = ("a <b>bold<b> & \"quoted\" 'bee'", "price $x^ of $1", "猫 ネコ قطة")


@pytest.fixture(scope="session")
def hard_photos(tmp_path_factory):
    """Three classes of twelve images of noise, so that there is something to confuse."""
    folder = tmp_path_factory.mktemp("data") / "hard <set>"
    generator = np.random.default_rng(0)
    for name in HARD:
        (folder / name).mkdir(parents=True)
        for i in range(12):
            pixels = generator.integers(0, 256, (40, 50, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{i:03d}.png")
    return folder


@pytest.fixture(scope="session")
def run_of(root, tiny_backbone, hard_photos, tmp_path_factory):  # noqa: F811
    """Train a method on the tiny backbone with a report; return its work directory."""

    def run(method: str, more: str = "", data: Path = hard_photos) -> Path:
        folder = tmp_path_factory.mktemp(method)
        base = root / f"configs/{method}/vitb16_16shot.py"
        config = write_config(folder / "tiny.py", base, tiny_backbone, f"report = True\n{more}")
        argv = [str(config), "--dataset", "folder", "--data-root", str(data)]
        argv += ["--work-dir", str(folder / "run"), "--device", "cpu"]
        assert run_tool(train.main, argv) == 0
        return folder / "run"

    return run


@pytest.fixture(scope="session")
def reported(run_of):
    """The work directory of a run with a report."""
    return run_of("sotglp")


@pytest.fixture(scope="session")
def browser():
    """A headless Chromium."""
    found = find_browser()
    if found is None:
        pytest.skip("no Chromium here (apt-get install chromium)")
    return found
