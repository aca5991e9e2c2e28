"""plp: prompt learning for CLIP-like models as a toolkit of registered components."""

from typing import Any

from plp import _opencv

__version__ = "0.1.0"
__all__ = ["__version__", "build_learner", "load"]

_opencv.install()


def __getattr__(name: str) -> Any:
    """Import the engine when it is first asked for, so that `plp.aligners` stays light."""
    if name == "build_learner":
        from plp.engine.build import build_learner

        return build_learner
    if name == "load":
        from plp.inference.loading import load

        return load
    raise AttributeError(f"module 'plp' has no attribute {name!r}")


def __dir__() -> list[str]:
    """Names for completion in a notebook; those that are imported on demand are among them."""
    return sorted({*globals(), *__all__})
