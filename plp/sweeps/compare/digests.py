"""Digests of a config, of code and of files."""

import hashlib
import importlib.util
import json
import os
import re
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config

from plp.checkpoints.run_places import find_checkpoint
from plp.config.data_options import WITHOUT_EFFECT
from plp.errors import ConfigError
from plp.files import content_digest
from plp.package import FOLDER, WEIGHTS, versions

# Folders of plp that turn runs into tables, or start them, and enter no number of a run.
APART = ("cli", "configs", "report", "results", "sweeps", "testing")

_MODEL_KEYS = ("arch", "name_or_folder")  # where a backbone names a folder
_PACKAGES = (
    "mmengine", "torchvision", "open_clip_torch", "timm", "transformers", "pillow", "scikit-learn",
)  # fmt: skip


def digest_of(value: Any) -> str:
    """Return the digest of what JSON can hold; of anything else, of its text."""
    text = json.dumps(value, sort_keys=True, ensure_ascii=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def config_digest(config: Config) -> str:
    """Return the digest of a settled config, without what no number depends on.

    What a run starts from (`init_from`) is looked at apart, see `checkpoint_digest`.
    """
    settings = config.to_dict()
    for key in ("work_dir", "save_seconds", "report", "recipes", "init_from"):
        settings.pop(key, None)
    for key in WITHOUT_EFFECT:
        settings.get("data", {}).pop(key, None)
    settings.get("dataset", {}).pop("root", None)
    settings["model"] = _with_contents(settings["model"])
    return digest_of(settings)


def checkpoint_digest(path: Path) -> str:
    """Return the digest of what a trained run has learned, wherever it lies.

    Raises:
        CheckpointError: if there is no trained run.
    """
    return _content_of(str(find_checkpoint(path)))


def modules_digest(config: Config) -> str:
    """Return the digest of the user's own modules.

    Raises:
        ConfigError: if one is not found.
    """
    imports = (config.get("custom_imports") or {}).get("imports") or []
    names = [imports] if isinstance(imports, str) else list(imports)
    return digest_of([[name, files_digest(_module_files(name))] for name in sorted(names)])


def code_digest() -> str:
    """Return the digest of plp's sources as they are on disk."""
    files = [
        path
        for path in FOLDER.rglob("*.py")
        if not path.relative_to(FOLDER).as_posix().startswith(tuple(f"{name}/" for name in APART))
    ]
    return files_digest(files, FOLDER)


def files_digest(files: Iterable[Path], root: Path | None = None) -> str:
    """Return the digest of files: of their names below `root`, if it is given, and contents."""
    return digest_of(
        [[str(path.relative_to(root)) if root else path.name, content_digest(path)]
         for path in sorted(files)]
    )  # fmt: skip


def torch_version() -> str:
    """Return major and minor version of torch, such as '2.8'."""
    return _minor(torch.__version__)


def packages_digest() -> str:
    """Return the digest of the other packages that count.

    Of those that bring weights it is the version, of the others its major and minor part.
    """
    found = versions()
    minor = {name: _minor(found[name]) for name in _PACKAGES if name in found}
    whole = {name: found[name] for name in WEIGHTS if name in found}
    return digest_of(minor | whole)


def _minor(version: str) -> str:
    return ".".join(version.split(".")[:2])


def _module_files(name: str) -> list[Path]:
    try:
        spec = importlib.util.find_spec(name)
    except (ImportError, ValueError):
        spec = None
    if spec is None:
        raise ConfigError(f"custom_imports: no module {name!r} found")
    if spec.submodule_search_locations:
        folders = map(Path, spec.submodule_search_locations)
        return [path for folder in folders for path in folder.rglob("*.py")]
    return [Path(spec.origin)] if spec.origin and Path(spec.origin).is_file() else []


def _with_contents(value: Any) -> Any:
    """Replace paths of existing files by the digest of their content, and folders of models too."""
    if isinstance(value, Mapping):
        return {
            key: _model_folder(inner) if key in _MODEL_KEYS else _with_contents(inner)
            for key, inner in value.items()
        }
    if isinstance(value, list | tuple):
        return [_with_contents(inner) for inner in value]
    if isinstance(value, str) and (os.sep in value or Path(value).suffix) and os.path.isfile(value):
        return {"content": _content_of(value)}
    return value


def _model_folder(value: Any) -> Any:
    """Return what a folder of config and weights holds; of anything else, that."""
    folder = re.sub("^(local-dir|timm|transformers):", "", value) if isinstance(value, str) else ""
    if not os.path.isdir(folder):
        return _with_contents(value)
    files = [p for p in sorted(Path(folder).iterdir()) if p.suffix in (".json", ".safetensors")]
    return {path.name: _with_contents(str(path)) for path in files} or value


def _content_of(path: str) -> str:
    found = os.stat(path)
    state = found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino
    return _large_content(os.path.abspath(path), state)


@cache
def _large_content(path: str, state: tuple[int, ...]) -> str:
    return content_digest(Path(path))
