"""How many processes share the tests."""

import os
from collections.abc import Sequence
from pathlib import Path

FEW_FILES = 4  # so many are tested by one process: two would import torch twice
MOST_WORKERS = 4  # of about 2 GB each


def workers_for(arguments: Sequence[str]) -> int:
    """Return one process for each core; none beside this one for a few files."""
    names = [Path(name.partition("::")[0]) for name in arguments]
    if len(names) <= FEW_FILES and all(name.suffix == ".py" for name in names):
        return 0
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return min(cores or 1, MOST_WORKERS)
