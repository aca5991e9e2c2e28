"""How many bytes of tensors live at once: the same on every machine, unlike a process's memory."""

import weakref
from typing import Any, final

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


@final
class PeakTensorBytes(TorchDispatchMode):
    """Counts the bytes of tensors made inside a block, and remembers the most at one time.

    A storage counts from the operation that returned it until its last tensor is gone, tensors kept
    for a gradient included. What a kernel uses inside, and tensors made before the block, do not.

    Example:
        >>> with PeakTensorBytes() as bytes:
        ...     a = torch.zeros(1000)
        ...     b = a + 1
        ...     del a
        ...     c = b[:10] * 2
        >>> bytes.peak, bytes.live
        (8000, 4040)
    """

    def __init__(self) -> None:
        super().__init__()
        self.live = 0
        self.peak = 0
        self._known: weakref.WeakSet[Any] = weakref.WeakSet()

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        """Run an operation, and count the storages it makes."""
        found = func(*args, **(kwargs or {}))
        given = {leaf.untyped_storage() for leaf in tree_leaves((args, kwargs)) if _is_plain(leaf)}
        for leaf in tree_leaves(found):
            if _is_plain(leaf):
                self._count(leaf.untyped_storage(), given)
        return found

    def _count(self, storage: Any, given: set[Any]) -> None:
        if storage in self._known or storage in given:
            return
        size = storage.nbytes()
        self._known.add(storage)
        self.live += size
        self.peak = max(self.peak, self.live)
        weakref.finalize(storage, self._forget, size).atexit = False

    def _forget(self, size: int) -> None:
        self.live -= size


def _is_plain(leaf: Any) -> bool:
    return isinstance(leaf, Tensor) and leaf.layout is torch.strided
