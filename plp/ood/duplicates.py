"""Out-of-distribution images that are none: test images and shots, found by content."""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from plp.datasets.contents import equal_files, path_of, with_stamps
from plp.ood.sets import OODSet
from plp.wording import count

_WORDS = {
    "test": "test images of the in-distribution set",
    "shots": "shots that the checkpoint was trained on",
    "other_sets": "images of another of these sets",
    "repeated": "copies of another image of this set",
}


class SetDuplicates(NamedTuple):
    """Images of out-of-distribution sets that are something else as well.

    Attributes:
        counts: By set: how many of its images are `test` images, `shots`, images of `other_sets`,
            and how many are `repeated` in it.
        notes: The same in sentences, one for each set that has any.
    """

    counts: dict[str, dict[str, int]]
    notes: tuple[str, ...]


def find_duplicates_of_sets(
    inside: OODSet, sets: Sequence[OODSet], shots: Sequence[str] = ()
) -> SetDuplicates:
    """Count the images of sets that are something else as well; none is left out.

    Args:
        inside: The test images.
        sets: Out-of-distribution sets.
        shots: Stamps of the shots of the training.
    """
    rows = [(one.name, path_of(one.root, item)) for one in (inside, *sets) for item in one.items]
    counts = {one.name: dict.fromkeys(_WORDS, 0) for one in sets}
    for group in equal_files([path for _, path in rows]):
        names = [rows[i][0] for i in group]
        for place, name in enumerate(names):
            if name == inside.name:
                continue
            counts[name]["test"] += inside.name in names
            counts[name]["other_sets"] += bool({*names} - {inside.name, name})
            counts[name]["repeated"] += name in names[:place]
    for one in sets:
        paths = [path_of(one.root, item) for item in one.items]
        counts[one.name]["shots"] = sum(with_stamps(shots, paths))
    return SetDuplicates(counts, tuple(_notes(sets, counts)))


def _notes(sets: Sequence[OODSet], counts: Mapping[str, Mapping[str, int]]) -> Iterator[str]:
    for one in sets:
        images = count(len(one.items), "image")
        found = [f"{n} of {images} are {_WORDS[key]}" for key, n in counts[one.name].items() if n]
        if found:
            yield (
                f"{one.name}, by content: {'; '.join(found)}. Nothing is left out: they count as "
                "out-of-distribution, and the numbers of this set mean little"
            )
