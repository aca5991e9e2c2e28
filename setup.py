"""The build: `configs/`, at the top of the tree only, goes into the wheel as `plp/configs`.

Everything else is said in pyproject.toml.
"""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py


class BuildWithConfigs(build_py):
    """Builds the package, and puts the configs of the methods into it."""

    def run(self) -> None:
        """Copy modules, then configs; an editable install reads them where they are."""
        super().run()
        if not self.editable_mode:
            target = Path(self.build_lib) / "plp" / "configs"
            shutil.rmtree(target, ignore_errors=True)  # of an earlier build in this tree
            shutil.copytree("configs", target, ignore=shutil.ignore_patterns("__pycache__"))


setup(cmdclass={"build_py": BuildWithConfigs})
