"""What a listing of folders left out, and why: counted, with a few names, reported once."""

import os
from collections import Counter
from enum import Enum
from pathlib import Path
from typing import final

from PIL import __version__ as pillow_version

from plp.datasets.base import some
from plp.datasets.suffixes import FIRST_SUFFIXES, HEIF, SUFFIXES, suffix_of
from plp.wording import count

_EXAMPLES = 3


class Reason(Enum):
    """Why something in a folder is not read: what one is called, and what several are."""

    SUFFIX = ("file with another suffix", "files with other suffixes")
    UNDECODED = (f"image that Pillow {pillow_version} cannot decode here",
                 f"images that Pillow {pillow_version} cannot decode here")  # fmt: skip
    HEIF = ("HEIC image", "HEIC images")
    STRAY = ("image outside the class folders", "images outside the class folders")
    BESIDE = ("folder beside the parts", "folders beside the parts")
    EMPTY = ("class folder without images", "class folders without images")
    ANNOTATIONS = ("annotation folder inside a folder of images",
                   "annotation folders inside folders of images")  # fmt: skip
    NESTED = ("folder inside a class folder", "folders inside class folders")
    UNMATCHED = ("folder that matches a pattern", "folders that match a pattern")
    HIDDEN = ("hidden file or folder", "hidden files or folders")
    TOOL = ("folder of a tool", "folders of tools")
    LINK = ("link that leads back, into another class or nowhere",
            "links that lead back, into another class or nowhere")  # fmt: skip
    SPECIAL = ("thing that is not a regular file", "things that are no regular files")


@final
class Tally:
    """Collects what listings left out, and what they took that plp 0.1 did not.

    Args:
        root: Names are shown relative to it. None: as they are.

    Example:
        >>> tally = Tally('photos')
        >>> tally.skip(Reason.SUFFIX, 'photos/cat/notes.txt')
        >>> tally.notes('photos')
        ("photos: not read: 1 file with another suffix (1 .txt: 'cat/notes.txt')",)
    """

    def __init__(self, root: str | Path | None = None) -> None:
        self.root = root
        self.counts: Counter[Reason] = Counter()
        self.images: Counter[Reason] = Counter()
        self.suffixes: Counter[str] = Counter()
        self.suffixes_of = {Reason.SUFFIX: self.suffixes, Reason.UNDECODED: Counter[str]()}
        self.new: Counter[str] = Counter()
        self.nested = 0
        self._examples: dict[Reason, list[str]] = {}
        self._nested_example = ""

    def skip(self, reason: Reason, path: str | Path, images: int = 0) -> None:
        """Count one thing that is not read.

        Args:
            reason: Why.
            path: The thing.
            images: How many images are in it, of a folder.
        """
        self.counts[reason] += 1
        self.images[reason] += images
        if reason in self.suffixes_of:
            suffix = suffix_of(os.path.basename(path)) or "without a suffix"
            self.suffixes_of[reason][suffix] += 1
        examples = self._examples.setdefault(reason, [])
        if len(examples) < _EXAMPLES:
            examples.append(self._shown(path))

    def skip_file(self, path: str | Path) -> None:
        """Count a regular file whose suffix says that it is not read."""
        suffix = suffix_of(os.path.basename(path))
        if suffix in HEIF:
            self.skip(Reason.HEIF, path)
        elif suffix in SUFFIXES:
            self.skip(Reason.UNDECODED, path)
        else:
            self.skip(Reason.SUFFIX, path)

    def take(self, name: str) -> None:
        """Count an image that is read, if plp 0.1 passed it over."""
        suffix = suffix_of(name)
        if suffix not in FIRST_SUFFIXES:
            self.new[suffix] += 1

    def take_nested(self, path: str | Path) -> None:
        """Count an image that is read and lies in a folder inside a class folder."""
        self.nested += 1
        if suffix_of(os.fspath(path)) in FIRST_SUFFIXES:
            self.new["in folders inside class folders"] += 1
        self._nested_example = self._nested_example or self._shown(path)

    def notes(self, name: str, compared: bool = True) -> tuple[str, ...]:
        """Return sentences to report, each with counts; none where nothing was left out.

        Args:
            name: What was listed, put in front of each.
            compared: Also say which images plp 0.1 did not read: numbers of older runs on the same
                folder are of fewer images.
        """
        found = []
        if left := [self._part(reason) for reason in Reason if self.counts[reason]]:
            found.append(f"{name}: not read: {'; '.join(left)}")
        if self.counts[Reason.HEIF]:
            found.append(f"{name}: to use HEIC images, install pillow-heif, or convert them")
        if self.nested:
            images = count(self.nested, "image")
            found.append(
                f"{name}: {images} in folders inside class folders count for their class, such as "
                f"{self._nested_example!r}"
            )
        if compared and self.new:
            total = count(sum(self.new.values()), "image")
            found.append(
                f"{name}: {total} that earlier versions of plp did not read "
                f"({_numbers(self.new)}): this folder's lists and draws differ from those of "
                "older runs"
            )
        return tuple(found)

    def _part(self, reason: Reason) -> str:
        number, more = self.counts[reason], ""
        if reason in self.suffixes_of:
            more = f"{_numbers(self.suffixes_of[reason])}: "
        elif self.images[reason]:
            more = f"{count(self.images[reason], 'image')}: "
        rest = number - len(self._examples[reason])
        names = some(self._examples[reason]) + (f" and {rest} more" if rest else "")
        return f"{count(number, *reason.value)} ({more}{names})"

    def _shown(self, path: str | Path) -> str:
        text = os.fspath(path)
        if self.root is None:
            return text
        inside = os.path.relpath(text, self.root)
        return text if inside.startswith("..") else inside.replace(os.sep, "/")


def _numbers(counts: Counter[str]) -> str:
    """Write counts out, the largest first.

    Example:
        >>> _numbers(Counter({'.txt': 2, '.heic': 12}))
        '12 .heic, 2 .txt'
    """
    ordered = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))
    shown = ", ".join(f"{number} {_printable(suffix)}" for suffix, number in ordered[:8])
    return shown + (f" and {len(ordered) - 8} other suffixes" if len(ordered) > 8 else "")


def _printable(text: str) -> str:
    return text if text.isprintable() else repr(text)
