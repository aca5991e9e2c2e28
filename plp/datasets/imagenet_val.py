"""ImageNet's validation images, in class folders or flat with a file of labels."""

import re
from pathlib import Path

from plp.datasets.base import Item, some
from plp.datasets.imagenet_classes import list_folders, synsets
from plp.datasets.listing import list_folder
from plp.datasets.skipped import Reason, Tally
from plp.errors import DataError
from plp.text_files import read_text

GROUND_TRUTH = "ILSVRC2012_validation_ground_truth.txt"
SYNSET_LABELS = "imagenet_2012_validation_synset_labels.txt"
META = "meta.mat"


def list_val(
    folder: Path, prefix: str, base: Path, labels: str | Path | None, tally: Tally
) -> tuple[Item, ...]:
    """List the validation images.

    Where they are flat (`ILSVRC2012_val_00000001.JPEG`, ...), line i of a file of labels is about
    the image of number i. Two kinds of file are read:

    - the devkit's `ILSVRC2012_validation_ground_truth.txt`: numbers from 1, in an order of the
      devkit's own that `meta.mat` beside it translates to synsets;
    - a synset a line (`n01751748`), such as `imagenet_2012_validation_synset_labels.txt`.

    Args:
        folder: The folder val/.
        prefix: Put before each path.
        base: Folder of the dataset.
        labels: The file; a relative path is tried in `base` first. None: one of these names, in
            val/, above it, in `base`, or in a folder of the devkit in these.
        tally: Gets what is not read.

    Raises:
        DataError: if the images are neither in class folders nor labelled, or the file does not
            fit.
    """
    flat = list_folder(folder, Tally()).images
    if not flat:
        places = {synset: label for label, synset in enumerate(synsets())}
        return list_folders(folder, prefix, places, tally)
    for name in list_folder(folder, tally).folders:
        tally.skip(Reason.NESTED, folder / name)
    file = _find_labels(folder, base, labels)
    by_line = _read_labels(file)
    return tuple(Item(prefix + name, by_line[_number(name, file, len(by_line))]) for name in flat)


def _find_labels(folder: Path, base: Path, labels: str | Path | None) -> Path:
    if labels is not None:
        for path in (base / labels, Path(labels)):
            if path.is_file():
                return path
        raise DataError(f"imagenet: no file of labels {str(labels)!r}, neither in {str(base)!r}")
    around = (folder, folder.parent, base)
    devkits = [path for place in around for path in sorted(place.glob("*devkit*"))]
    places = [*around, *devkits, *(path / "data" for path in devkits)]
    for place in places:
        for name in (GROUND_TRUTH, SYNSET_LABELS):
            if (place / name).is_file():
                return place / name
    raise DataError(
        f"imagenet: the images in {str(folder)!r} are in no class folders, and nothing says what "
        f"they show. Put the devkit (ILSVRC2012_devkit_t12/) into {str(base)!r}, or name a file of "
        f"labels: --cfg-options dataset.val_labels=FILE"
    )


def _read_labels(file: Path) -> tuple[int, ...]:
    lines = read_text(file).split()
    places = {synset: label for label, synset in enumerate(synsets())}
    if all(line.isdecimal() for line in lines):
        places = {str(n): places[synset] for n, synset in _devkit_order(file).items()}
    for number, line in enumerate(lines, start=1):
        if line not in places:
            raise DataError(
                f"{file}, line {number}: expected a synset such as n01751748, or a number of the "
                f"devkit from 1 to 1000, got {line!r}"
            )
    return tuple(places[line] for line in lines)


def _devkit_order(file: Path) -> dict[int, str]:
    """Return the synset of each number of the devkit."""
    from scipy.io import loadmat

    path = file.parent / META
    if not path.is_file():
        raise DataError(
            f"{file} counts classes in the devkit's order, which is not that of the labels: "
            f"{META} of the devkit is needed beside it"
        )
    try:
        rows = loadmat(path, squeeze_me=True)["synsets"]
        pairs = {int(row["ILSVRC2012_ID"]): str(row["WNID"]) for row in rows}
    except Exception as error:  # damaged, cut off, of another version: scipy raises many kinds
        raise DataError(f"{path} is not the {META} of the ILSVRC 2012 devkit: {error}") from error
    known = set(synsets())
    order = {number: synset for number, synset in pairs.items() if synset in known}
    if sorted(order) != list(range(1, 1001)):
        raise DataError(
            f"{path}: expected the numbers 1 to 1000 for the classes of ImageNet-1k, got "
            f"{len(order)}: {some(sorted(order), most=3)}"
        )
    return order


def _number(name: str, file: Path, lines: int) -> int:
    digits = re.search(r"(\d+)\.\w+$", name)
    if not digits or not 1 <= int(digits[1]) <= lines:
        raise DataError(
            f"imagenet: image {name!r} has no line in {file}, which has {lines}. Expected names "
            "such as ILSVRC2012_val_00000001.JPEG, numbered from 1"
        )
    return int(digits[1]) - 1
