"""Progress of what takes long: a line every few seconds, never one per batch."""

import contextlib
import logging
import threading
import time
from collections.abc import Iterator

logger = logging.getLogger("plp")

EVERY = 5.0  # seconds between two lines


class Progress:
    """Counts images and logs how many are done and how much time is left.

    The rate leaves the first batch out: whatever is prepared when it is first used falls into it.

    Args:
        what: What is done, such as 'testing'.
        total: How many images there are.
        every: Seconds between two lines.

    Example:
        >>> progress = Progress('testing', 3, every=0.0)
        >>> progress.add(1), progress.add(2)
        (None, None)
    """

    def __init__(self, what: str, total: int, every: float | None = None) -> None:
        self.what = what
        self.total = total
        self.every = EVERY if every is None else every
        self.done = 0
        self._first = 0  # images of the first batch
        self._begin = self._shown = time.monotonic()

    def add(self, images: int) -> None:
        """Count images; log a line if one is due and some are left."""
        now = time.monotonic()
        if not self.done:
            self._first, self._begin = images, now
        self.done += images
        if self.done < self.total and now - self._shown >= self.every:
            self._shown = now
            logger.info("%s: %d of %d images%s", self.what, self.done, self.total, self._left(now))

    def _left(self, now: float) -> str:
        timed = self.done - self._first
        if not timed:
            return ""
        return f", {duration((now - self._begin) / timed * (self.total - self.done))} left"


@contextlib.contextmanager
def ticking(what: str, every: float | None = None) -> Iterator[None]:
    """Log every few seconds that something goes on which cannot be counted.

    Args:
        what: What goes on, such as 'tracing'.
        every: Seconds between two lines.
    """
    seconds = EVERY if every is None else every
    begin, ended = time.monotonic(), threading.Event()

    def tick() -> None:
        while not ended.wait(seconds):
            logger.info("%s: %s so far", what, duration(time.monotonic() - begin))

    thread = threading.Thread(target=tick, name=f"plp {what}", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def duration(seconds: float) -> str:
    """Return a duration for people.

    Example:
        >>> duration(34.2), duration(200.0)
        ('34 s', '3 min 20 s')
    """
    minutes, seconds = divmod(round(seconds), 60)
    return f"{minutes} min {seconds:02d} s" if minutes else f"{seconds} s"
