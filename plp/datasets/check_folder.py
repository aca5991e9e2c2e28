"""Whether a folder of the user's own can be trained on, and what in it is not read."""

from collections import Counter
from pathlib import Path

from plp.datasets.base import some
from plp.datasets.check import PARTS, Check, Found, broken
from plp.datasets.duplicates import find_duplicates
from plp.datasets.folder import Folder
from plp.errors import DataError

FOLDER = "folder"  # as --dataset takes it


def check_folder(root: str | Path, read: bool = False) -> Check:
    """Look at a folder as `--dataset folder` would.

    Args:
        root: The folder itself.
        read: Decode every image too.
    """
    try:
        source = Folder(root)
        splits = source.splits()
    except DataError as error:
        found = Found.UNFIT if Path(root).is_dir() else Found.NOTHING
        return Check(FOLDER, found, {}, {}, str(error))
    lists = {part: getattr(splits, part) for part in PARTS}
    items = [item for part in lists.values() for item in part]
    by_class = Counter(item.label for item in items)
    names = [f"{name} ({by_class[label]})" for label, name in enumerate(splits.class_names)]
    twice = find_duplicates(splits)
    details = (
        f"images: {splits.root}", f"classes: {len(names)}, {some(names, most=20)}", *splits.notes,
        *twice.notes,
    )  # fmt: skip
    counts = {part: len(listed) for part, listed in lists.items() if listed}
    told = [broken(items, splits, [], read)]
    if twice.conflicts:
        told.append(
            "training refuses an image in two classes: leave it in one of them, or add "
            "--cfg-options data.two_labels=report"
        )
    problem = "\n".join(filter(None, told))
    return Check(source.name, Found.UNFIT if problem else Found.WHOLE, counts, {}, problem, details)
