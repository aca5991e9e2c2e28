"""Modules and names that have moved: the old ones work, with a warning, until 0.3."""

import sys
import warnings
from importlib import abc, import_module, machinery
from types import ModuleType
from typing import Any

MODULES = {
    "plp.engine.backbone_choice": "plp.config.backbone_choice",
    "plp.engine.backbone_files": "plp.config.backbone_files",
    "plp.engine.beside": "plp.checkpoints.beside",
    "plp.engine.checkpoint": "plp.checkpoints.checkpoint",
    "plp.engine.checkpoint_tuners": "plp.checkpoints.tuners",
    "plp.engine.choices": "plp.config.choices",
    "plp.engine.compare": "plp.sweeps.compare",
    "plp.engine.config": "plp.config.load",
    "plp.engine.config_file": "plp.config.file",
    "plp.engine.config_paths": "plp.config.paths",
    "plp.engine.data_options": "plp.config.data_options",
    "plp.engine.encoding": "plp.features.encoding",
    "plp.engine.feature_cache": "plp.features.cache",
    "plp.engine.feature_filling": "plp.features.filling",
    "plp.engine.given_weights": "plp.checkpoints.given_weights",
    "plp.engine.header_trust": "plp.checkpoints.header_trust",
    "plp.engine.kept_parts": "plp.features.kept_parts",
    "plp.engine.length": "plp.config.length",
    "plp.engine.ood": "plp.ood.run",
    "plp.engine.ood_cache": "plp.ood.cache",
    "plp.engine.ood_duplicates": "plp.ood.duplicates",
    "plp.engine.ood_file": "plp.ood.file",
    "plp.engine.ood_folder": "plp.ood.folder",
    "plp.engine.ood_readable": "plp.ood.readable",
    "plp.engine.ood_report": "plp.ood.report",
    "plp.engine.ood_scores": "plp.scoring.choose",
    "plp.engine.ood_sets": "plp.ood.sets",
    "plp.engine.ood_stream": "plp.ood.stream",
    "plp.engine.option_values": "plp.config.values",
    "plp.engine.pixel_options": "plp.config.pixel_options",
    "plp.engine.protocols": "plp.sweeps.protocols",
    "plp.engine.rates": "plp.config.rates",
    "plp.engine.report": "plp.report.finished_run",
    "plp.engine.run_places": "plp.checkpoints.run_places",
    "plp.engine.schedule": "plp.config.schedule",
    "plp.engine.validation_scores": "plp.scoring.validation",
    "plp.report.command": "plp.config.command",
    "plp.towers.merged": "plp.towers.low_rank",
}
NAMES = {
    ("plp.inference", "Classifier"): "plp.api",
    ("plp.inference", "load"): "plp.api",
    ("plp.towers.points", "LowRankUpdate"): "plp.towers.low_rank",
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
        >>> new_name("plp.engine.compare.job"), new_name("plp.engine.train")
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
