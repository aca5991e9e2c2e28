"""Servers without libGL: plp trains, and whoever needs OpenCV is told the truth."""

import subprocess
import sys
import textwrap

import pytest

HIDDEN = """\
import importlib.abc, sys

class Hidden(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name == "cv2":
            raise ImportError("libGL.so.1: cannot open shared object file")

sys.meta_path.insert(0, Hidden())
"""


def run(code, *argv, hidden=True):
    """Run code in a process that cannot import OpenCV."""
    text = (HIDDEN if hidden else "") + textwrap.dedent(code)
    return subprocess.run(
        [sys.executable, "-c", text, *map(str, argv)], capture_output=True, text=True, timeout=240
    )


@pytest.mark.slow
def test_a_run_is_trained_and_tested(tiny_config, photos, tmp_path):
    code = """\
    from plp.cli.main import main
    status = main(sys.argv[1:])
    assert "mmengine.visualization" in sys.modules
    assert "cv2" not in sys.modules
    sys.exit(status)
    """
    data = ["--dataset", "folder", "--data-root", photos, "--device", "cpu"]
    ended = run(code, "train", tiny_config, *data, "--work-dir", tmp_path / "run")
    assert ended.returncode == 0, ended.stderr
    assert "libGL" not in ended.stdout + ended.stderr
    assert (tmp_path / "run" / "result.json").exists()


def test_who_needs_opencv_is_told_why_it_is_not_there():
    code = """\
    import plp
    import mmengine.visualization as drawing
    from mmengine.hooks import NaiveVisualizationHook
    from mmengine.runner import Runner
    from plp.errors import PlpError
    try:
        import cv2
    except ImportError as error:  # as if plp were not there
        print("user:", error)
    try:
        drawing.visualizer.cv2.resize
    except PlpError as error:
        print("mmengine:", error)
    print(drawing.__loader__.get_source("mmengine.visualization")[:11])
    """
    ended = run(code)
    assert ended.returncode == 0, ended.stderr
    user, mmengine, source = ended.stdout.splitlines()
    assert user == "user: libGL.so.1: cannot open shared object file"
    assert "cv2.resize" in mmengine
    assert "libGL.so.1" in mmengine
    assert "Install opencv-python-headless" in mmengine
    assert source == "# Copyright"


@pytest.mark.slow
def test_the_real_opencv_is_taken_where_it_can_be_imported():
    code = """\
    import sys, types
    sys.modules["cv2"] = real = types.ModuleType("cv2")
    import plp
    import mmengine.hooks, mmengine.visualization.utils
    assert mmengine.visualization.utils.cv2 is real is sys.modules["cv2"]
    """
    ended = run(code, hidden=False)
    assert ended.returncode == 0, ended.stderr


def test_plp_imports_nothing_of_mmengine_itself():
    ended = run('import plp; print([m for m in sys.modules if m[:8] in ("mmengine", "torch")])')
    assert ended.stdout == "[]\n", ended.stderr
