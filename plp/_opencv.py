"""OpenCV for mmengine where it cannot be loaded: a stand-in, for as long as mmengine is imported.

mmengine draws with OpenCV, plp never does; but its Runner imports what draws. The OpenCV that pip
brings is linked with libGL, which servers and containers without a screen do not have.
"""

import contextlib
import sys
from collections.abc import Iterator
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import Any, final

_DRAWING = ("mmengine.hooks", "mmengine.visualization")  # import cv2 when they are imported


def install() -> None:
    """Look after the imports of mmengine's parts that draw; nothing is imported by this."""
    if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Finder())


@contextlib.contextmanager
def opencv_or_stand_in() -> Iterator[None]:
    """Let `import cv2` succeed within; outside, whoever needs OpenCV is told what is wrong."""
    try:
        import cv2  # noqa: F401
    except Exception as error:  # a library is missing, or the wrong NumPy is there
        stand_in = _StandIn(error)
        sys.modules["cv2"] = stand_in
        try:
            yield
        finally:
            if sys.modules.get("cv2") is stand_in:
                del sys.modules["cv2"]
    else:
        yield


@final
class _StandIn(ModuleType):
    """What mmengine has as `cv2`; it says why it draws nothing.

    Args:
        reason: Why OpenCV cannot be imported.
    """

    def __init__(self, reason: Exception) -> None:
        super().__init__("cv2")
        self._reason = reason

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        from plp.errors import ConfigError

        raise ConfigError(
            f"mmengine draws with OpenCV (cv2.{name}), which cannot be imported here: "
            f"{self._reason}. Install opencv-python-headless in place of opencv-python; it needs "
            "no libraries of a screen"
        )


@final
class _Finder(MetaPathFinder):
    """Finds mmengine's parts that draw as Python does, and has them loaded by `_Careful`."""

    def find_spec(
        self, fullname: str, path: Any, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return the module's own spec with another loader; None for any other module."""
        if fullname not in _DRAWING:
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is not None and spec.loader is not None:
            spec.loader = _Careful(spec.loader)
        return spec


@final
class _Careful(Loader):
    """Loads a module with its own loader, while there is a `cv2`."""

    def __init__(self, own: Loader) -> None:
        self._own = own

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        """Make the module as its own loader does."""
        return self._own.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        """Run the module, which keeps its own loader."""
        module.__loader__ = self._own
        if module.__spec__ is not None:
            module.__spec__.loader = self._own
        with opencv_or_stand_in():
            self._own.exec_module(module)
