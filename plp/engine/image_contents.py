"""What the images of a run contain: part of its identity, and what no threshold is chosen on."""

import hashlib
from collections.abc import Mapping
from typing import Any, NamedTuple

from plp.datasets import FewShot
from plp.datasets.base import some
from plp.datasets.contents import stamps

CONTENTS = "contents"  # key in the identity of a run
SHOTS = "shot_contents"  # key in the header of a checkpoint
MOST_NAMED = 3


class ImageContents(NamedTuple):
    """Paths and stamps of the images that a training looks at, in the order of the lists.

    A stamp is the size and the digest of a file, see `plp.datasets.contents.stamps`.

    Attributes:
        shots: Of the shots.
        val: Of the validation images.
    """

    shots: tuple[tuple[str, str], ...]
    val: tuple[tuple[str, str], ...]

    def shot_stamps(self) -> list[str]:
        """Return the stamps of the shots, each once, for a checkpoint."""
        return sorted({stamp for _, stamp in self.shots if stamp})

    def digest(self) -> str:
        """Return the SHA-256 of the stamps of the shots, in order."""
        return hashlib.sha256("\n".join(stamp for _, stamp in self.shots).encode()).hexdigest()

    def for_threshold(self) -> list[int]:
        """Return the places of validation images to choose a threshold on: no shot, none twice.

        The scores of shots are lower than those of further images, so that a threshold would accept
        fewer of these than it promises; copies of one image are one image seen several times.
        """
        seen = set(self.shot_stamps())
        places = []
        for place, (_, stamp) in enumerate(self.val):
            if not stamp or stamp not in seen:
                places.append(place)
                seen.add(stamp)
        return places

    def identity(self, select: str) -> dict[str, list[list[str]]]:
        """Return what a run must find again when it is resumed, in plain lists.

        Args:
            select: Which epoch is tested: validation images count only where they choose it.
        """
        parts = {"shots": self.shots} | ({"val": self.val} if select == "val" else {})
        return {part: [list(pair) for pair in pairs] for part, pairs in parts.items()}


def contents_of(few: FewShot) -> ImageContents:
    """Read the shots and the validation images of a draw."""
    shots, val = (
        tuple(zip([item.path for item in items], stamps(few.root, items), strict=True))
        for items in (few.train, few.val)
    )
    return ImageContents(shots, val)


def stamps_of(info: Mapping[str, Any]) -> tuple[str, ...] | None:
    """Return the stamps of the shots that a checkpoint was trained on; None if it has none."""
    written = info.get(SHOTS)
    if not isinstance(written, list) or not all(isinstance(one, str) for one in written):
        return None
    return tuple(written)


def changed_contents(saved: Mapping[str, Any], own: Mapping[str, Any]) -> list[str]:
    """Say which images are not what they were; nothing where all are.

    Example:
        >>> before, now = {"shots": [["a.jpg", "9-f0"]]}, {"shots": [["a.jpg", "9-e1"]]}
        >>> changed_contents(before, now)
        ["1 of 1 shots has other content than before: 'a.jpg'"]
    """
    told = []
    for part, word in (("shots", "shots"), ("val", "validation images")):
        before, now = dict(saved.get(part) or ()), dict(own.get(part) or ())
        others = [path for path in before if path in now and before[path] != now[path]]
        if others:
            verb = "has" if len(others) == 1 else "have"
            told.append(
                f"{len(others)} of {len(before)} {word} {verb} other content than before: "
                f"{some(others, MOST_NAMED)}"
            )
        elif list(before) != list(now):
            told.append(f"the {word} are other files than before")
    return told
