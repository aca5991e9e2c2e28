"""Modules and names that have moved: the old ones work, with a warning, until 0.3."""

import sys
import warnings
from importlib import abc, import_module, machinery
from types import ModuleType
from typing import Any

MODULES = {
    "plp.config.backbone_choice": "plp.config.backbone_choice",
    "plp.config.backbone_files": "plp.config.backbone_files",
    "plp.checkpoints.beside": "plp.checkpoints.beside",
    "plp.checkpoints.checkpoint": "plp.checkpoints.checkpoint",
    "plp.checkpoints.tuners": "plp.checkpoints.tuners",
    "plp.config.choices": "plp.config.choices",
    "plp.sweeps.compare": "plp.sweeps.compare",
    "plp.config.load": "plp.config.load",
    "plp.config.file": "plp.config.file",
    "plp.config.paths": "plp.config.paths",
    "plp.config.data_options": "plp.config.data_options",
    "plp.features.encoding": "plp.features.encoding",
    "plp.features.cache": "plp.features.cache",
    "plp.features.filling": "plp.features.filling",
    "plp.checkpoints.given_weights": "plp.checkpoints.given_weights",
    "plp.checkpoints.header_trust": "plp.checkpoints.header_trust",
    "plp.features.kept_parts": "plp.features.kept_parts",
    "plp.config.length": "plp.config.length",
    "plp.ood.run": "plp.ood.run",
    "plp.ood.cache": "plp.ood.cache",
    "plp.ood.duplicates": "plp.ood.duplicates",
    "plp.ood.file": "plp.ood.file",
    "plp.ood.folder": "plp.ood.folder",
    "plp.ood.readable": "plp.ood.readable",
    "plp.ood.report": "plp.ood.report",
    "plp.scoring.choose": "plp.scoring.choose",
    "plp.ood.sets": "plp.ood.sets",
    "plp.ood.stream": "plp.ood.stream",
    "plp.config.values": "plp.config.values",
    "plp.config.pixel_options": "plp.config.pixel_options",
    "plp.sweeps.protocols": "plp.sweeps.protocols",
    "plp.config.rates": "plp.config.rates",
    "plp.report.finished_run": "plp.report.finished_run",
    "plp.checkpoints.run_places": "plp.checkpoints.run_places",
    "plp.config.schedule": "plp.config.schedule",
    "plp.scoring.validation": "plp.scoring.validation",
    "plp.config.command": "plp.config.command",
}
NAMES = {
    ("plp.inference", "Classifier"): "plp.api",
    ("plp.inference", "load"): "plp.api",
}


class MovedFinder(abc.MetaPathFinder):
    """Finds a module under the name it had, modules below a folder that moved among them."""

    def find_spec(
        self, fullname: str, path: Any, target: ModuleType | None = None
    ) -> machinery.ModuleSpec | None:
        """Return a spec for a module that has moved; None for any other."""
        new = new_name(fullname)
        return None if new is None else machinery.ModuleSpec(fullname, _SameModule(new))


class _SameModule(abc.Loader):
    """Gives the module that stands under a new name, so that both names are one module."""

    def __init__(self, new: str) -> None:
        self.new = new

    def create_module(self, spec: machinery.ModuleSpec) -> ModuleType:
        _warn(spec.name, self.new)
        module = import_module(self.new)
        self.spec = module.__spec__
        return module

    def exec_module(self, module: ModuleType) -> None:
        module.__spec__ = self.spec  # Python has put that of the old name there


def new_name(old: str) -> str | None:
    """Return where a module is now; None for one that has not moved.

    Example:
        >>> new_name("plp.sweeps.compare.job"), new_name("plp.engine.train")
        ('plp.sweeps.compare.job', None)
    """
    if old in MODULES:
        return MODULES[old]
    folder, _, rest = old.rpartition(".")
    above = new_name(folder) if folder else None
    return None if above is None else f"{above}.{rest}"


def moved_name(module: str, name: str) -> Any:
    """Return a name that a module had, for its `__getattr__`.

    Raises:
        AttributeError: if it never had one.
    """
    new = NAMES.get((module, name))
    if new is None:
        raise AttributeError(f"module {module!r} has no attribute {name!r}")
    _warn(f"{module}.{name}", f"{new}.{name}")
    return getattr(import_module(new), name)


def _warn(old: str, new: str) -> None:
    message = f"{old} is now {new}; the old name works until 0.3"
    warnings.warn(message, DeprecationWarning, stacklevel=2)


def install() -> None:
    """Let Python find what has moved; a second call changes nothing.

    It is asked first: the folder of a moved package would give its modules a second time.
    """
    if not any(isinstance(finder, MovedFinder) for finder in sys.meta_path):
        sys.meta_path.insert(0, MovedFinder())
