"""plp: prompt learning for CLIP-like models as a toolkit of registered components."""

from typing import Any

from plp import _moved, _opencv
from plp.package import VERSION

__version__ = VERSION
__all__ = ["__version__", "build_learner", "load"]

_opencv.install()
_moved.install()


def __getattr__(name: str) -> Any:
    """Import the engine when it is first asked for, so that `plp.aligners` stays light."""
    if name == "build_learner":
        from plp.engine.build import build_learner

        return build_learner
    if name == "load":
        from plp.api import load

        return load
    raise AttributeError(f"module 'plp' has no attribute {name!r}")


def __dir__() -> list[str]:
    """Names for completion in a notebook; those that are imported on demand are among them."""
    return sorted({*globals(), *__all__})
