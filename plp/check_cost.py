"""What hashing and checks cost, by a timer in the code: the limit is 2 % of a run.

Whatever hashes files or tensors, or compares images, does it within `checking()`. A run takes the
difference of two `Cost.of_checks()` and writes it to `result.json`, where anybody can read it.
"""

import contextlib
import time
from collections.abc import Iterator
from typing import NamedTuple


class Cost(NamedTuple):
    """Seconds spent.

    Attributes:
        wall: By the clock on the wall.
        processor: Of all threads of this process, worker processes left out.
    """

    wall: float
    processor: float

    def since(self, earlier: "Cost") -> "Cost":
        """Return what was spent after an earlier look."""
        return Cost(self.wall - earlier.wall, self.processor - earlier.processor)

    @staticmethod
    def now() -> "Cost":
        """Return the clocks of this process, for the difference of two looks at them."""
        return Cost(time.monotonic(), time.process_time())

    @staticmethod
    def of_checks() -> "Cost":
        """Return what this process has spent within `checking()` so far."""
        return Cost(_spent[0], _spent[1])


_spent = [0.0, 0.0]
_inside = [False]


@contextlib.contextmanager
def checking() -> Iterator[None]:
    """Count a block as hashing and checks; blocks within blocks count once.

    Example:
        >>> before = Cost.of_checks()
        >>> with checking(), checking():
        ...     _ = sum(range(1000))
        >>> 0 < Cost.of_checks().since(before).wall < 1
        True
    """
    if _inside[0]:
        yield
        return
    _inside[0], begin = True, Cost.now()
    try:
        yield
    finally:
        spent = Cost.now().since(begin)
        _spent[0] += spent.wall
        _spent[1] += spent.processor
        _inside[0] = False
