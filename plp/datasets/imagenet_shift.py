"""Shifted test sets for models trained on ImageNet."""

from pathlib import Path
from typing import final

from plp.datasets.base import DataSource, Item, Splits, check_splits
from plp.datasets.benchmarks import find_benchmark
from plp.datasets.imagenet_classes import CLIP, class_names, list_folders, names_note, synsets
from plp.datasets.layout import find_folder, find_images
from plp.datasets.published_lists import with_notes
from plp.datasets.skipped import Tally
from plp.errors import DataError
from plp.registry import DATASETS

NUMBERED = "imagenetv2"  # its class folders are labels, 0 to 999


@DATASETS.register_module()
@final
class ImageNetShift(DataSource):
    """ImageNetV2, ImageNet-Sketch, ImageNet-A or ImageNet-R: for testing only.

    - `imagenetv2` (Recht et al., ICML 2019), the matched-frequency test set, 1000 classes;
    - `imagenet_sketch` (Wang et al., NeurIPS 2019), 1000 classes;
    - `imagenet_a` (Hendrycks et al., CVPR 2021) and `imagenet_r` (ICCV 2021), 200 classes each.

    A model of ImageNet is tested on the 200 classes as the field does it: an image is given the
    best of the 200, the other 800 are no choice.

    Args:
        name: Which set.
        root: The data root, in which the set's folder has the name that CoOp gives it.
        class_names: As for `ImageNet`, and the same as in training.
    """

    test_only = True

    def __init__(self, name: str, root: str | Path, class_names: str | Path = CLIP) -> None:
        self.facts = find_benchmark(name, "ImageNetShift")
        self.name = name
        self.base = find_folder(name, root, self.facts.folder)
        self.class_names = class_names

    @property
    def recipe(self) -> str:
        """ImageNet's: the model is."""
        return "imagenet"

    def splits(self) -> Splits:
        """List the images."""
        names = class_names(self.class_names, self.base)
        images = find_images(self.name, self.base, self.facts.images)
        tally = Tally(images)
        items = list_folders(images, "", _labels(self.name), tally)
        present = sorted({item.label for item in items})
        if len(present) != self.facts.classes:
            raise DataError(
                f"{self.name}: expected {self.facts.classes} class folders in {str(images)!r}, got "
                f"{len(present)}. Extract the archive again"
            )
        places = {label: place for place, label in enumerate(present)}
        test = tuple(Item(path, places[label]) for path, label in items)
        own = tuple(names[label] for label in present)
        note = names_note(self.name, self.class_names, names, self.base)
        found = Splits((), (), test, own, self.name, images, (note,) if note else ())
        found = with_notes(self.facts, check_splits(found))
        return found._replace(notes=(*found.notes, *tally.notes(self.name)))


def _labels(name: str) -> dict[str, int]:
    """Return ImageNet's label by the name of a class folder."""
    folders = map(str, range(1000)) if name == NUMBERED else synsets()
    return {folder: label for label, folder in enumerate(folders)}
