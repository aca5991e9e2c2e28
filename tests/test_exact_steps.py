"""SOT-GLP at full size on seeded weights gives the logits of plp 0dbca55, exactly.

`tests/exact_steps.py` runs in the tree of 0dbca55, taken from git's history, and in this one, on
the same machine: what comes out must be equal bit for bit. What 0dbca55 gave where the test was
written is stored in `tests/artefacts`; other processors round differently, so that it is compared
with a tolerance, and also where there is no git history.
"""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from plp.testing.clip_weights import VIT_B_16, write_clip_weights

OLD = "0dbca55"
STORED = Path(__file__).parent / "artefacts" / f"exact_steps_{OLD}.npz"

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """Seeded weights of a ViT-B/16, 600 MB; removed at the end."""
    path = write_clip_weights(tmp_path_factory.mktemp("vitb16") / "vitb16.pt", VIT_B_16, seed=0)
    yield path
    path.unlink()


@pytest.fixture(scope="module")
def own(root, weights, tmp_path_factory):
    return run_in(root, weights, tmp_path_factory.mktemp("own") / "own.npz")


def run_in(tree: Path, weights: Path, out: Path) -> dict[str, np.ndarray]:
    """Run the two steps with the plp of a tree; return what they gave, by name."""
    script = Path(__file__).with_name("exact_steps.py")
    environment = {**os.environ, "PYTHONPATH": str(tree), "OMP_NUM_THREADS": "1"}
    subprocess.run(
        [sys.executable, str(script), str(tree), str(weights), str(out)],
        cwd=out.parent, env=environment, check=True, timeout=1200,
    )  # fmt: skip
    with np.load(out) as arrays:
        return dict(arrays)


def test_equal_to_the_old_commit_bit_for_bit(root, weights, own, tmp_path):
    archive = subprocess.run(["git", "archive", OLD], cwd=root, capture_output=True, check=False)
    if archive.returncode != 0:
        pytest.skip(f"no commit {OLD} in the history of {root}")
    tree = tmp_path / "tree"
    tree.mkdir()
    subprocess.run(["tar", "-x"], cwd=tree, input=archive.stdout, check=True)
    old = run_in(tree, weights, tmp_path / "old.npz")
    assert own.keys() == old.keys()
    for name, value in old.items():
        np.testing.assert_array_equal(own[name], value, err_msg=name)


def test_close_to_what_the_old_commit_gave(own):
    with np.load(STORED) as stored:
        for name, value in stored.items():
            np.testing.assert_allclose(own[name], value, atol=2e-3, rtol=1e-3, err_msg=name)
