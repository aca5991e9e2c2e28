"""What lies in one folder: images, folders, and things that are reported and not read."""

import os
import re
from pathlib import Path
from typing import NamedTuple

from plp.datasets.skipped import Reason, Tally
from plp.datasets.suffixes import is_image

# Folders that network drives, systems and archives leave behind, in lower case.
TOOL_FOLDERS = frozenset(
    ("@eadir", "@recycle", "#recycle", "#snapshot", "$recycle.bin", "lost+found", "__macosx",
     "system volume information")
)  # fmt: skip
# Of a folder of images, what is beside them and no further images.
_MARKED_IMAGES = frozenset(
    ("masks", "labels", "annotations", "groundtruth", "gt", "segmentation", "segmentations",
     "segmentationclass", "segmentationobject", "bboxes", "boundingboxes", "trimaps")
)  # fmt: skip


class Listed(NamedTuple):
    """The contents of a folder, sorted by name.

    Attributes:
        images: Names of the images.
        folders: Names of the folders, hidden ones and those of tools left out.
    """

    images: list[str]
    folders: list[str]


def list_folder(folder: str | Path, tally: Tally) -> Listed:
    """List a folder; images go by their suffix, of any case, and links are followed.

    One pass over the folder and no look at each file: a million images are listed in seconds.

    Args:
        folder: The folder.
        tally: Gets what is not read.
    """
    images, folders = [], []
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith("."):
                tally.skip(Reason.HIDDEN, entry.path)
            elif entry.is_dir():
                if is_tool_folder(entry.name):
                    tally.skip(Reason.TOOL, entry.path)
                else:
                    folders.append(entry.name)
            elif not entry.is_file():
                tally.skip(Reason.LINK if entry.is_symlink() else Reason.SPECIAL, entry.path)
            elif is_image(entry.name):
                images.append(entry.name)
            else:
                tally.skip_file(entry.path)
    return Listed(sorted(images), sorted(folders))


def is_tool_folder(name: str) -> bool:
    """Whether a folder is one that a system or a tool has made for itself.

    Example:
        >>> [is_tool_folder(name) for name in ('@eaDir', '__MACOSX', '__init__', 'cat')]
        [True, True, False, False]
    """
    return name.lower() in TOOL_FOLDERS


def marks_images(name: str) -> bool:
    """Whether a folder beside images holds what is known of them, such as masks.

    Example:
        >>> [marks_images(name) for name in ('Ground_Truth', 'masks', 'mask')]
        [True, True, False]
    """
    return plain_name(name) in _MARKED_IMAGES


def plain_name(name: str) -> str:
    """Return the letters and digits of a folder's name in lower case, without a year behind them.

    Example:
        >>> plain_name('Ground-Truth'), plain_name('train2017')
        ('groundtruth', 'train')
    """
    return re.sub(r"(19|20)\d\d$", "", re.sub(r"[\W_]", "", name.casefold()))
