"""Pillow's own warnings, kept from the user: what matters of them plp says itself, with counts."""

import contextlib
import logging
import os
import re
import threading
import warnings

# Pillow logs some of what is wrong with a file; without a handler Python prints it.
logging.getLogger("PIL").addHandler(logging.NullHandler())

_FILTER = ("ignore", None, Warning, re.compile(r"PIL\."), 0)


class QuietPillow(contextlib.AbstractContextManager[None]):
    """While any thread is within it, warnings from Pillow's modules are not shown.

    `warnings.catch_warnings` would put the whole list of filters back at its end, which other
    threads may have changed meanwhile. This takes out the one entry that it has put in.
    """

    def __init__(self) -> None:
        self._reset()
        os.register_at_fork(after_in_child=self._reset)  # whose other threads are not there

    def _reset(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0

    def __enter__(self) -> None:
        with self._lock:
            self._inside += 1
            if _FILTER not in warnings.filters:
                warnings.filterwarnings("ignore", module=r"PIL\.")

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._inside -= 1
            if not self._inside:
                with contextlib.suppress(ValueError, AttributeError):  # somebody else's list
                    warnings.filters.remove(_FILTER)  # type: ignore[attr-defined]


quiet_pillow = QuietPillow()
