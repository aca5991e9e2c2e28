"""Runs some of whose test images are training images, named in front of their tables."""

from collections.abc import Sequence

from plp.results.records import Run
from plp.results.worst import positive_by
from plp.wording import count


def notes_on_repeated(runs: Sequence[Run]) -> list[str]:
    """Return a note on each dataset whose test images stand among its training images."""
    worst = positive_by(runs, lambda run: run.dataset, lambda run: run.repeated)
    return [
        f"{dataset}: {count(max(repeated), 'test image')} or copies of them are also training "
        f"images in {count(len(repeated), 'run')}: their accuracy is too high. The notes of each "
        "run say more."
        for dataset, repeated in worst.items()
    ]
