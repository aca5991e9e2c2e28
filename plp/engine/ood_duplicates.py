"""Out-of-distribution images that are none: test images and shots, found by content."""

import logging
from collections.abc import Mapping, Sequence

from plp.datasets.contents import equal_files, path_of, with_stamps
from plp.engine.ood_sets import ID, OODSet
from plp.wording import count

logger = logging.getLogger("plp")

_WORDS = {
    "test": "test images of the in-distribution set",
    "shots": "shots that the checkpoint was trained on",
    "other_sets": "images of another of these sets",
    "repeated": "copies of another image of this set",
}


def find_duplicates_of_sets(
    inside: OODSet, sets: Sequence[OODSet], shots: Sequence[str]
) -> dict[str, dict[str, int]]:
    """Count and tell the images of sets that are something else as well; none is left out.

    Args:
        inside: The test images.
        sets: Out-of-distribution sets.
        shots: Stamps of the shots of the training.

    Returns:
        By set: how many of its images are `test` images, `shots`, images of `other_sets`, and how
        many are `repeated` in it.
    """
    rows = [(one.name, path_of(one.root, item)) for one in (inside, *sets) for item in one.items]
    counts = {one.name: dict.fromkeys(_WORDS, 0) for one in sets}
    for group in equal_files([path for _, path in rows]):
        names = [rows[i][0] for i in group]
        for place, name in enumerate(names):
            if name == ID:
                continue
            counts[name]["test"] += ID in names
            counts[name]["other_sets"] += bool({*names} - {ID, name})
            counts[name]["repeated"] += name in names[:place]
    for one in sets:
        paths = [path_of(one.root, item) for item in one.items]
        counts[one.name]["shots"] = sum(with_stamps(shots, paths))
        _tell(one, counts[one.name])
    return counts


def _tell(one: OODSet, counts: Mapping[str, int]) -> None:
    images = count(len(one.items), "image")
    told = [f"{n} of {images} are {_WORDS[key]}" for key, n in counts.items() if n]
    if told:
        logger.warning(
            "%s, by content: %s. Nothing is left out: they count as out-of-distribution, and the "
            "numbers of this set mean little",
            one.name, "; ".join(told),
        )  # fmt: skip
