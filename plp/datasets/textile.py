"""The embedded dataset: simulated textile images from the package `conformal-clip-data`."""

from importlib import import_module
from pathlib import Path
from typing import final

from plp.datasets.base import DataSource, Item, Splits, check_splits
from plp.datasets.held_out import hold_out
from plp.errors import DataError
from plp.registry import DATASETS

# Folder of a class, and its name: the terms of the paper, in words a text encoder knows. A global
# defect is a weave of other parameters all over; a local one is a disturbed spot.
_CLASSES = {
    "nominal": "flawless textile",
    "local": "textile with a local defect",
    "global": "textile with a global defect",
}


@DATASETS.register_module()
@final
class Textile(DataSource):
    """Simulated woven fabric, 250x250 grey: 1000 flawless, 500 with a spot, 500 of another weave.

    Made by Megahed et al., "Adapting OpenAI's CLIP Model for Few-Shot Image Inspection in
    Manufacturing Quality Control" (arXiv 2501.12596), MIT licence. The set has no official split:
    plp holds `test_fraction` of each class out for testing (see `hold_out`).

    Args:
        test_fraction: Share of test images. 0.8 leaves 200, 100 and 100 images to draw from.
    """

    name = "textile"

    def __init__(self, test_fraction: float = 0.8) -> None:
        self.test_fraction = test_fraction

    def splits(self) -> Splits:
        """List the images of the installed package."""
        root = _package_images()
        items = [
            Item(f"{folder}/{path.name}", label)
            for label, folder in enumerate(_CLASSES)
            for path in sorted((root / folder).glob("*.jpg"))
        ]
        parts = hold_out(items, self.test_fraction)
        names = tuple(_CLASSES.values())
        return check_splits(Splits(parts.train, (), parts.test, names, self.name, root))


def _package_images() -> Path:
    try:
        package = import_module("conformal_clip_data")
    except ModuleNotFoundError as error:
        raise DataError(
            "the dataset 'textile' comes with the package conformal-clip-data, which is not "
            "installed: `pip install plp[lite]`, or name another dataset (--dataset folder "
            "--data-root DIR)."
        ) from error
    return Path(package.textile_simulated_root())
