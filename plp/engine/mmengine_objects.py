"""What mmengine keeps by name for the life of the process."""

import contextlib
from collections.abc import Iterator

from mmengine.logging import MessageHub, MMLogger
from mmengine.registry import DefaultScope
from mmengine.visualization import Visualizer

_KINDS = (MMLogger, MessageHub, Visualizer, DefaultScope)


@contextlib.contextmanager
def forgetting_runs() -> Iterator[None]:
    """Let go, in the end, of what the Runners made meanwhile have left.

    mmengine would keep a logger with its open files, a message hub and a figure of each, and a
    comparison has hundreds in one process.
    """
    before = {kind: set(kind._instance_dict) for kind in _KINDS}
    try:
        yield
    finally:
        for kind, known in before.items():
            for name in [name for name in kind._instance_dict if name not in known]:
                one = kind._instance_dict.pop(name)
                for handler in getattr(one, "handlers", ()):
                    handler.close()
