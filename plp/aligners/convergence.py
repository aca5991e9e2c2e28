"""Has the transport converged? What solvers report while somebody listens.

An aligner returns a plan and nothing else; whether the iterations behind it met their tolerance
goes another way: to the listener of the code that is running, if there is one. Tensors are handed
over as they are, so that nobody waits for a device until a summary is asked for.
"""

import contextlib
import importlib
import warnings
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor

Listener = Callable[[str, Tensor, Tensor], None]  # branch, converged, row error of each problem

_listener: ContextVar[Listener | None] = ContextVar("plp_transport_listener", default=None)
_branch: ContextVar[str] = ContextVar("plp_transport_branch", default="")


@contextlib.contextmanager
def listening(listener: Listener) -> Iterator[None]:
    """Let a listener hear of every problem solved in a block."""
    token = _listener.set(listener)
    try:
        yield
    finally:
        _listener.reset(token)


@contextlib.contextmanager
def in_branch(name: str) -> Iterator[None]:
    """Name the branch whose problems are solved in a block."""
    token = _branch.set(name)
    try:
        yield
    finally:
        _branch.reset(token)


def is_heard() -> bool:
    """Whether anybody listens; never while a graph is traced."""
    return not torch.compiler.is_compiling() and _listener.get() is not None


def tell(converged: Bool[Tensor, "*batch"], row_error: Float[Tensor, "*batch"]) -> None:
    """Hand over what a solver knows about its problems."""
    listener = _listener.get()
    if listener is not None:
        listener(_branch.get(), converged.detach(), row_error.detach())


def __getattr__(name: str) -> Any:
    if name in ("BranchTransport", "TransportTally", "together"):  # they count for a run
        said = f"{name} is in plp.engine.transport; this place goes with 0.3"
        warnings.warn(said, DeprecationWarning, stacklevel=2)
        return getattr(importlib.import_module("plp.engine.transport"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
