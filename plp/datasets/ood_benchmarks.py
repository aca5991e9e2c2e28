"""The out-of-distribution sets of ImageNet that the field tests on."""

from pathlib import Path
from typing import NamedTuple

from plp.errors import DataError, UnknownComponentError


class OODBenchmark(NamedTuple):
    """What is known about an out-of-distribution set.

    Attributes:
        name: As `--ood` takes it.
        folders: Where it may lie under the data root: as MCM, LoCoOp and GalLoP expect it.
        size: Number of images.
        by_hand: How to get it.
    """

    name: str
    folders: tuple[str, ...]
    size: int
    by_hand: str


_HUANG = "http://pages.cs.wisc.edu/~huangrui/imagenet_ood_dataset/"

# Of Huang & Li, "MOS: Towards Scaling Out-of-distribution Detection for Large Semantic Space", CVPR
# 2021: 10,000 images each of classes that are not ImageNet's; Textures is all of DTD.
OOD_BENCHMARKS: dict[str, OODBenchmark] = {
    one.name: one
    for one in (
        OODBenchmark(
            "inaturalist", ("iNaturalist", "ood_data/iNaturalist"), 10000,
            f"extract {_HUANG}iNaturalist.tar.gz",
        ),
        OODBenchmark(
            "sun", ("SUN", "ood_data/SUN"), 10000, f"extract {_HUANG}SUN.tar.gz"
        ),
        OODBenchmark(
            "places", ("Places", "ood_data/Places"), 10000, f"extract {_HUANG}Places.tar.gz"
        ),
        OODBenchmark(
            "textures",
            ("Texture/images", "Textures/images", "dtd/images", "ood_data/dtd/images"), 5640,
            "the images of dtd: python tools/data.py download dtd",
        ),
    )
}  # fmt: skip


def find_ood_folder(name: str, root: str | Path) -> Path:
    """Return the folder of an out-of-distribution set: all images in it are the set.

    Textures are all images of DTD, and not those of its test list alone.

    Args:
        name: Which set.
        root: The data root.

    Raises:
        UnknownComponentError: for another name, with the known ones.
        DataError: if it is not under the data root.
    """
    if name not in OOD_BENCHMARKS:
        raise UnknownComponentError(
            f"out-of-distribution set {name!r} is not known: {', '.join(OOD_BENCHMARKS)}. Any "
            "folder of images is one too: NAME=FOLDER"
        )
    facts = OOD_BENCHMARKS[name]
    for folder in facts.folders:
        if (Path(root) / folder).is_dir():
            return Path(root) / folder
    raise DataError(
        f"{name}: none of {', '.join(facts.folders)} in the data root {str(root)!r}. How to get "
        f"it: {facts.by_hand}. Where it lies elsewhere: {name}=FOLDER"
    )
