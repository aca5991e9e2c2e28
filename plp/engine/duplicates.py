"""What a run does about images whose content stands in two places."""

from collections.abc import Sequence

from plp.config.data_options import DataOptions
from plp.datasets import DataSource, FewShot, Splits
from plp.datasets.benchmarks import BENCHMARKS
from plp.datasets.contents import path_of, with_stamps
from plp.datasets.duplicates import Duplicates, conflicts_in_words, find_duplicates
from plp.datasets.published_lists import list_digest
from plp.errors import DataError
from plp.wording import count


def check_duplicates(
    source: DataSource, splits: Splits, few: FewShot | None, options: DataOptions
) -> Duplicates:
    """Find what stands twice, and refuse an image in two classes.

    The published lists of the field have such images, too; their numbers are to be what they are
    elsewhere, so that there they are reported only.

    Args:
        source: Where the lists come from.
        splits: The lists.
        few: What was drawn from them; None: nothing.
        options: `two_labels` says whether such an image is refused.

    Raises:
        DataError: naming images that stand in two classes, and what to do.
    """
    found = find_duplicates(splits, few)
    if found.conflicts and options.two_labels == "refuse" and not _is_published(source, splits):
        raise DataError(
            f"{splits.name}: {conflicts_in_words(found.conflicts, splits.class_names)}. Expected "
            "one class for each image: leave each of these in one class folder (or row) only, or, "
            "if they are meant to be in both, add --cfg-options data.two_labels=report"
        )
    return found


def add_shots_of_training(found: Duplicates, few: FewShot, shots: Sequence[str]) -> Duplicates:
    """Say how many test images are shots of a checkpoint's training, whatever was drawn here.

    Args:
        found: What stands twice in the dataset.
        few: Its images.
        shots: Stamps of the shots, see `stamps`.
    """
    shared = sum(with_stamps(shots, [path_of(few.root, item) for item in few.test]))
    found = found._replace(counts=found.counts | {"test_in_shots": shared})
    if not shared:
        return found
    note = (
        f"{few.name}: {shared} of {count(len(few.test), 'test image')} are shots that the "
        "checkpoint was trained on: the test accuracy is too high by what is merely remembered"
    )
    return found._replace(notes=(*found.notes, note))


def _is_published(source: DataSource, splits: Splits) -> bool:
    if type(source).__name__ in {facts.source for facts in BENCHMARKS.values()}:
        return True
    digests = [facts.split.digest for facts in BENCHMARKS.values() if facts.split]
    own = list_digest(splits)
    return any(digest and own.startswith(digest) for digest in digests)
