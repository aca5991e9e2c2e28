"""The fixtures of this folder are of equal towers; those of `uneven/` are not.

`uneven/` was computed with the same published code in float32, its widths written as numbers
replaced by the towers': text width 64, vision width 128; 3 text blocks, 5 vision blocks; E = 48;
16 patches; 5 classes; other lengths, depths, ranks, templates and seeds, as each `meta` says.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent


@pytest.mark.slow
def test_parity_holds_at_unequal_widths_and_depths():
    """The tests beside this one, on other fixtures: they read all sizes from the file."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(FOLDER)]
    ignored = [f"--ignore={FOLDER / name}" for name in ("test_uneven.py", "test_tower_parity.py")]
    environment = os.environ | {"PLP_PARITY_ROOT": str(FOLDER / "uneven")}
    run = subprocess.run(
        [*command, *ignored], env=environment, cwd=FOLDER.parents[1], capture_output=True, text=True
    )
    assert run.returncode == 0, run.stdout[-3000:]
    assert "passed" in run.stdout
