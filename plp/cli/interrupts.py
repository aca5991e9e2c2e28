"""Ctrl-C is never lost.

Python raises KeyboardInterrupt wherever it happens to be. In a callback of the garbage collector,
of a weak reference or of a library in C the exception is printed and dropped; a library that tries
imports under `except BaseException` drops it as well. The command would then go on as if nobody had
asked it to stop.
"""

import contextlib
import signal
import sys
import threading
import types
from collections.abc import Iterator
from typing import Any

_AGAIN = 0.02  # seconds until the interrupt is raised once more, behind the callback that drops it


@contextlib.contextmanager
def kept_interrupts() -> Iterator[None]:
    """Raise an interrupt once more where Python dropped it; other dropped errors stay as they are.

    Does nothing outside the main thread, where Python raises no interrupts.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = sys.unraisablehook

    def dropped(unraisable: Any) -> None:
        if unraisable.exc_type is None or not issubclass(unraisable.exc_type, KeyboardInterrupt):
            before(unraisable)
            return
        again = threading.Timer(_AGAIN, signal.raise_signal, [signal.SIGINT])
        again.daemon = True
        again.start()

    sys.unraisablehook = dropped
    try:
        yield
    finally:
        sys.unraisablehook = before


@contextlib.contextmanager
def heeded_interrupts() -> Iterator[None]:
    """Around imports: an interrupt that the imported code swallowed or turned into an error counts.

    Raises:
        KeyboardInterrupt: at the end of the block, if one was asked for within it.
    """
    handler = signal.getsignal(signal.SIGINT)
    main = threading.current_thread() is threading.main_thread()
    if not main or handler is not signal.default_int_handler:
        yield
        return
    asked = False

    def stop(number: int, frame: types.FrameType | None) -> None:
        nonlocal asked
        asked = True
        signal.default_int_handler(number, frame)

    signal.signal(signal.SIGINT, stop)
    try:
        yield
    except BaseException:
        if asked:
            raise KeyboardInterrupt from None
        raise
    finally:
        signal.signal(signal.SIGINT, handler)
    if asked:
        raise KeyboardInterrupt
