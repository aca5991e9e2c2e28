"""FGVC-Aircraft, which comes with lists of its own."""

from pathlib import Path
from typing import final

from plp.datasets.base import DataSource, Item, Splits, check_splits
from plp.datasets.benchmarks import BENCHMARKS, Counts
from plp.datasets.layout import find_folder, find_images
from plp.datasets.listed import check_listed
from plp.datasets.published_lists import with_notes
from plp.errors import ConfigError, DataError
from plp.registry import DATASETS
from plp.text_files import read_text

CLASSES = "variants.txt"
POOLS = {"train": Counts(3334, 3333, 3333), "trainval": Counts(6667, 0, 3333)}


@DATASETS.register_module()
@final
class FGVCAircraft(DataSource):
    """FGVC-Aircraft 2013b by variant (Maji et al., arXiv 1306.5151): 100 classes.

    Two pools are in use to draw the shots from, and they give other shots and other numbers:

    - 'train' (CoOp and most others): the 3334 images of `images_variant_train.txt`; validation
      images come from the 3333 of `images_variant_val.txt`.
    - 'trainval' (GalLoP, SOT-GLP): both together, 6667, of `images_variant_trainval.txt`;
      validation images are then drawn from those that are no shots.

    Args:
        root: The data root. In it `fgvc_aircraft/` has the lists and `images/`, or has `data/` with
            them, as the archive has it.
        pool: 'train' or 'trainval'.
    """

    name = "fgvc_aircraft"

    def __init__(self, root: str | Path, pool: str = "train") -> None:
        if pool not in POOLS:
            raise ConfigError(f"expected pool 'train' or 'trainval', got {pool!r}")
        self.pool = pool
        base = find_folder(self.name, root, BENCHMARKS[self.name].folder)
        inner = base / "data"
        self.base = inner if (inner / CLASSES).is_file() else base

    def splits(self) -> Splits:
        """Read the lists."""
        names = tuple(line for _, line in _lines(self.base / CLASSES))
        labels = {name: label for label, name in enumerate(names)}
        parts = {
            part: self._read(part, labels)
            for part in (self.pool, "test", *(["val"] if self.pool == "train" else []))
        }
        images = find_images(self.name, self.base, BENCHMARKS[self.name].images)
        train, val, test = parts[self.pool], parts.get("val", ()), parts["test"]
        found = check_splits(Splits(train, val, test, names, self.name, images))
        return with_notes(BENCHMARKS[self.name], found, POOLS[self.pool])

    def _read(self, part: str, labels: dict[str, int]) -> tuple[Item, ...]:
        path = self.base / f"images_variant_{part}.txt"
        items = []
        for number, line in _lines(path):
            image, _, name = line.partition(" ")
            if name not in labels:
                raise DataError(
                    f"{path}, line {number}: expected an image and a class of {CLASSES}, got "
                    f"{line!r}"
                )
            check_listed([(image, f"{path.name}, line {number}")])
            items.append(Item(f"{image}.jpg", labels[name]))
        return tuple(items)


def _lines(path: Path) -> list[tuple[int, str]]:
    """Return the lines of a list that are not empty, with their numbers."""
    if not path.is_file():
        raise DataError(
            f"fgvc_aircraft: no {path.name} in {str(path.parent)!r}. Expected the lists and "
            "images/ of the archive fgvc-aircraft-2013b"
        )
    lines = read_text(path).splitlines()
    return [(i, line.strip()) for i, line in enumerate(lines, start=1) if line.strip()]
