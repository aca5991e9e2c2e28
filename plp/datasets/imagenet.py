"""ImageNet-1k."""

from pathlib import Path
from typing import final

from plp.datasets.base import DataSource, Splits, check_splits, some
from plp.datasets.benchmarks import BENCHMARKS
from plp.datasets.imagenet_classes import CLIP, class_names, list_folders, names_note, synsets
from plp.datasets.imagenet_val import list_val
from plp.datasets.layout import find_folder, find_images
from plp.datasets.published_lists import with_notes
from plp.datasets.skipped import Tally
from plp.errors import DataError
from plp.registry import DATASETS


@DATASETS.register_module()
@final
class ImageNet(DataSource):
    """ImageNet-1k of ILSVRC 2012 (Russakovsky et al., IJCV 2015): shots from train/, test on val/.

    In `imagenet/images/` (or `imagenet/` itself) it expects `train/` with one folder per class, and
    `val/` either so or flat, as the archive extracts, with a file of labels (see `list_val`).
    Labels are positions in the sorted synsets. As in all the published work val/ is the test set;
    validation images are drawn from training images that are no shots.

    Args:
        root: The data root, in which the folder is called `imagenet`.
        class_names: 'clip' for the names of CLIP's authors, or a file such as 'classnames.txt'.
        val_labels: File of labels for a flat val/. None: looked for.
    """

    name = "imagenet"

    def __init__(
        self,
        root: str | Path,
        class_names: str | Path = CLIP,
        val_labels: str | Path | None = None,
    ) -> None:
        self.base = find_folder(self.name, root, BENCHMARKS[self.name].folder)
        self.class_names = class_names
        self.val_labels = val_labels

    def splits(self) -> Splits:
        """List the images."""
        names = class_names(self.class_names, self.base)
        images = self.base
        if not (images / "train").is_dir():
            images = find_images(self.name, self.base, BENCHMARKS[self.name].images)
        for part in ("train", "val"):
            if not (images / part).is_dir():
                raise DataError(f"{self.name}: no folder {part}/ in {str(images)!r}")
        labels = {synset: label for label, synset in enumerate(synsets())}
        tally = Tally(images)
        train = list_folders(images / "train", "train/", labels, tally)
        val = list_val(images / "val", "val/", self.base, self.val_labels, tally)
        note = names_note(self.name, self.class_names, names, self.base)
        found = Splits(train, (), val, names, self.name, images, (note,) if note else ())
        _check_complete(found)
        found = with_notes(BENCHMARKS[self.name], check_splits(found))
        return found._replace(notes=(*found.notes, *tally.notes(self.name)))


def _check_complete(found: Splits) -> None:
    """Refuse a part of ImageNet: its labels would not be those of the thousand classes."""
    for part in ("train", "test"):
        present = {item.label for item in getattr(found, part)}
        missing = [synset for label, synset in enumerate(synsets()) if label not in present]
        if missing:
            folder = "train" if part == "train" else "val"
            raise DataError(
                f"imagenet: {len(missing)} of 1000 classes have no image in {folder}/: "
                f"{some(missing)}. For a part of ImageNet, give --dataset folder"
            )
