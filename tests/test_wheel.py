"""Built and installed: the configs are in the wheel, and a folder called plp hides nothing."""

import importlib.metadata
import os
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest
from tiny_runs import make_photos

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


def run(*argv, cwd=None):
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        list(map(str, argv)), cwd=cwd, capture_output=True, text=True, env=environment
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def clone(root, tmp_path_factory):
    """A copy of the tree in a folder called plp, as a clone has it."""
    folder = tmp_path_factory.mktemp("clones") / "plp"
    names = run("git", "ls-files", "-co", "--exclude-standard", cwd=root).splitlines()
    for name in names:
        if (root / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes((root / name).read_bytes())
    return folder


@pytest.fixture
def environment(tmp_path):
    """A new environment that sees the packages of this one, but not its plp."""
    folder = tmp_path / "environment"
    venv.create(folder, with_pip=False)
    (packages,) = folder.glob("lib/python*/site-packages")
    (packages / "above.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return folder / "bin/python"


def pip(environment, *argv):
    """Run this environment's pip on another; the build takes its setuptools if it is new enough."""
    try:
        new = int(importlib.metadata.version("setuptools").split(".")[0]) >= 77
    except importlib.metadata.PackageNotFoundError:
        new = False
    own = ["--no-build-isolation"] if new else []
    run(sys.executable, "-m", "pip", "--python", environment, "-q", *argv, "--no-deps", *own)


def test_a_wheel_has_the_configs(clone, environment, tmp_path):
    pip(environment, "wheel", clone, "-w", tmp_path / "wheels")
    (wheel,) = (tmp_path / "wheels").glob("*.whl")
    pip(environment, "install", wheel)
    empty = tmp_path / "empty"
    empty.mkdir()
    plp = environment.with_name("plp")
    photos = make_photos(tmp_path / "photos", dict(ant=6, bee=6))
    argv = ["--dataset", "folder", "--data-root", photos, "--shots", 1, "--epochs", 1]
    printed = run(plp, "train", "sotglp", *argv, "--device", "cpu", cwd=empty)
    assert "test accuracy on " in printed
    (result,) = empty.glob("work_dirs/sotglp/lite_16shot/*/result.json")
    assert '"command": "plp train sotglp --dataset folder' in result.read_text()
    where = run(environment, "-c", "import plp; print(plp.__file__)", cwd=empty)
    assert Path(where).is_relative_to(tmp_path / "environment")


def test_an_editable_install_is_not_hidden_by_the_clone(clone, environment):
    pip(environment, "install", "-e", clone)
    code = "import plp; print(plp.__file__, 'load' in dir(plp)); from plp.config import paths"
    code += "; print(paths.config_folder())"
    printed = run(environment, "-c", code, cwd=clone.parent).splitlines()  # it holds plp/
    assert printed == [f"{clone / 'plp/__init__.py'} True", str(clone / "configs")]
