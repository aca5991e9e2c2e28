"""The registries: one a kind of component, plus children of mmengine's for what its Runner builds.

Component registries are parentless, because mmengine 0.10.7 refuses two child registries of one
parent under one scope. Register CamelCase class names only: `Registry.get` of mmengine resolves a
lower-case name to a standard-library module.

Example:
    >>> from plp.registry import ALIGNERS
    >>> ALIGNERS.build(dict(type='MaxSimAligner'))
    MaxSimAligner()
    >>> ALIGNERS.build(dict(type='MaxSmAligner'))
    Traceback (most recent call last):
    ...
    plp.errors.UnknownComponentError: aligner 'MaxSmAligner' is not registered. Did you mean ...
"""

import inspect
from collections.abc import Callable, Mapping
from typing import Any

import mmengine.registry as mm
from torch import nn

from plp.errors import ConfigError, PlpError, UnknownComponentError, did_you_mean


class Registry(mm.Registry):
    """A registry whose errors say what to do.

    Args:
        name: The kind of component, singular, as it stands in messages.
        locations: Modules imported on first use, so that their components are registered.
        parent: The mmengine registry this one extends; None for a kind of plp's own.
    """

    def __init__(self, name: str, locations: list[str], parent: mm.Registry | None = None) -> None:
        super().__init__(name, parent=parent, scope="plp", locations=locations)

    def get(self, key: str) -> Any:
        """Return the class registered as `key`, or importable as `package.module.Class`.

        Raises:
            UnknownComponentError: with the known names and the nearest one.
        """
        if not isinstance(key, str):
            raise ConfigError(f"the type of a {self.name} must be a string, got {key!r}")
        self.import_from_location()
        if key in self.module_dict:
            return self.module_dict[key]
        if "." in key or (self.parent is not None and key in self.parent.module_dict):
            try:
                found = super().get(key)
            except RuntimeError:  # mmengine: "Failed to get ..."
                found = None
            if inspect.isclass(found) or inspect.isfunction(found):
                return found
        raise UnknownComponentError(self._unknown(key))

    def build(self, cfg: Any, *_: Any, **inputs: Any) -> Any:
        """Build a component.

        Args:
            cfg: Mapping with `type` and the component's keywords.
            inputs: What the assembling code can supply (widths, class count, ...). A component is
                given those that its signature names and `cfg` leaves out.

        Raises:
            ConfigError: if `cfg` is no mapping with a type, if a keyword is unknown or missing, or
                if the component refuses a value (its own message is kept, its name is added).
        """
        if not isinstance(cfg, Mapping) or "type" not in cfg:
            raise ConfigError(
                f"a {self.name} is configured by a dict with the key 'type', got {cfg!r}"
            )
        keywords = {key: value for key, value in cfg.items() if key not in ("type", "_scope_")}
        factory = cfg["type"] if inspect.isclass(cfg["type"]) else self.get(cfg["type"])
        taken = _keywords_taken(factory)
        keywords |= {k: v for k, v in inputs.items() if k in taken and k not in keywords}
        _check_keywords(self.name, factory, keywords)
        try:
            return factory(**keywords)
        except (ValueError, TypeError) as error:
            if isinstance(error, PlpError) and not isinstance(error, ConfigError):
                raise
            kind = type(error) if isinstance(error, ConfigError) else ConfigError
            raise kind(f"{self.name} {factory.__name__}: {error}") from error

    def build_if_config(self, component: Any, **inputs: Any) -> Any:
        """Build a config; return a component that is built already as it is."""
        return self.build(component, **inputs) if isinstance(component, Mapping) else component

    def names(self) -> list[str]:
        """Return the registered names, sorted."""
        self.import_from_location()
        return sorted(self.module_dict)

    def _unknown(self, key: str) -> str:
        names = self.names()
        if self.parent is not None:
            names = sorted({*names, *self.parent.module_dict})
        hint = did_you_mean(key, names, cutoff=0.5)
        return (
            f"{self.name} {key!r} is not registered.{hint} Known: {', '.join(names) or 'none'}. "
            "A component of your own file needs `custom_imports = dict(imports=['your.module'])` "
            "in the config."
        )


def _parameters(factory: Callable[..., Any]) -> dict[str, inspect.Parameter]:
    if inspect.isclass(factory) and factory.__init__ is nn.Module.__init__:
        return {}  # its signature says *args, **kwargs and it takes neither
    return dict(inspect.signature(factory).parameters)


def _keywords_taken(factory: Callable[..., Any]) -> dict[str, inspect.Parameter]:
    return {
        name: parameter
        for name, parameter in _parameters(factory).items()
        if parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY)
    }


def _check_keywords(kind: str, factory: Callable[..., Any], keywords: Mapping[str, Any]) -> None:
    parameters = _parameters(factory).values()
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters):
        return
    taken = _keywords_taken(factory)
    takes = ", ".join(
        name if p.default is p.empty else f"{name}={p.default!r}" for name, p in taken.items()
    )
    for keyword in keywords:
        if keyword not in taken:
            hint = did_you_mean(keyword, taken)
            raise ConfigError(
                f"{kind} {factory.__name__} takes no keyword {keyword!r}.{hint} "
                f"It takes: {takes or 'nothing'}."
            )
    missing = [n for n, p in taken.items() if p.default is p.empty and n not in keywords]
    if missing:
        raise ConfigError(
            f"{kind} {factory.__name__} needs {', '.join(map(repr, missing))}. It takes: {takes}."
        )


BACKBONES = Registry("backbone", locations=["plp.backbones"])
PROMPTS = Registry("prompt", locations=["plp.prompts"])
PROJECTIONS = Registry("projection", locations=["plp.projections"])
SELECTORS = Registry("selector", locations=["plp.selectors"])
ALIGNERS = Registry("aligner", locations=["plp.aligners"])
BRANCHES = Registry("branch", locations=["plp.branches"])
LOSSES = Registry("loss term", locations=["plp.losses"])
SCORES = Registry("score", locations=["plp.scores"])
TUNERS = Registry("tuner", locations=["plp.tuners"])

MODELS = Registry("model", locations=["plp.learners"], parent=mm.MODELS)
DATASETS = Registry("dataset", locations=["plp.datasets"], parent=mm.DATASETS)
TRANSFORMS = Registry("transform", locations=["plp.transforms"], parent=mm.TRANSFORMS)
METRICS = Registry("metric", locations=["plp.evaluation"], parent=mm.METRICS)
HOOKS = Registry("hook", locations=["plp.hooks"], parent=mm.HOOKS)
LOOPS = Registry("loop", locations=["plp.engine.staged_loop"], parent=mm.LOOPS)
OPTIM_WRAPPERS = Registry("optimizer wrapper", locations=["plp.optim"], parent=mm.OPTIM_WRAPPERS)
# Nothing of plp's own is in these; a user's file may register here, and mmengine looks here first.
OPTIMIZERS = Registry("optimizer", locations=[], parent=mm.OPTIMIZERS)
OPTIM_WRAPPER_CONSTRUCTORS = Registry(
    "optimizer wrapper constructor", locations=[], parent=mm.OPTIM_WRAPPER_CONSTRUCTORS
)
PARAM_SCHEDULERS = Registry("parameter scheduler", locations=[], parent=mm.PARAM_SCHEDULERS)

COMPONENTS: dict[str, Registry] = {
    registry.name: registry
    for registry in (
        BACKBONES, PROMPTS, TUNERS, PROJECTIONS, SELECTORS, ALIGNERS, BRANCHES, LOSSES, SCORES,
        MODELS, DATASETS, TRANSFORMS, METRICS, HOOKS, LOOPS, OPTIM_WRAPPERS,
    )
}  # fmt: skip
