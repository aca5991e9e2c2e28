"""Time on the device's own line of events, which never makes the host wait."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch


class EventClock:
    """Adds up the time of named stages: between events on a GPU, of the processor on a CPU.

    Nothing is waited for before `seconds`, so that host and GPU overlap as they do without a clock.
    A stage lasts from when the GPU is done with what was queued before it to when it is done with
    the stage, waiting for the host included; stages that follow each other add up to the whole.

    Args:
        device: Whose time it is.
    """

    def __init__(self, device: str | torch.device) -> None:
        self.device = torch.device(device)
        self._spent: dict[str, list[tuple[Any, Any]]] = {}

    @contextmanager
    def __call__(self, stage: str) -> Iterator[None]:
        """Time a block."""
        begin = self.mark()
        yield
        self.since(stage, begin)

    def mark(self) -> Any:
        """Return a point in time."""
        if self.device.type != "cuda":
            return time.process_time()
        event = torch.cuda.Event(enable_timing=True)
        event.record()
        return event

    def since(self, stage: str, begin: Any) -> None:
        """Add what has passed since a point in time."""
        self._spent.setdefault(stage, []).append((begin, self.mark()))

    def forget(self) -> None:
        """Start anew, after warming up."""
        self._spent.clear()

    def seconds(self) -> dict[str, list[float]]:
        """Wait for the GPU, and return the seconds of each stage, one a time that it ran."""
        if self.device.type != "cuda":
            return {stage: [e - b for b, e in pairs] for stage, pairs in self._spent.items()}
        torch.cuda.synchronize(self.device)
        return {
            stage: [begin.elapsed_time(end) / 1e3 for begin, end in pairs]
            for stage, pairs in self._spent.items()
        }
