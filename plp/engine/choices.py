"""What the flags of a tool can choose: names and values, light to import.

Nothing here imports torch or mmengine, so that flags are read before anything takes seconds.
"""

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

AMP = {"no": "fp32", "fp16": "fp16", "bf16": "bf16"}
VARIANT = "lite_16shot"  # the config of a method that is taken where none is named

Classes = Literal["same", "subset", "new"]
CLASSES: tuple[Classes, ...] = ("same", "subset", "new")

BASE_TO_NEW, CROSS_DATASET, DOMAIN, OOD = "base-to-new", "cross-dataset", "domain", "ood"
PROTOCOLS = (BASE_TO_NEW, CROSS_DATASET, DOMAIN, OOD)


class Choices(NamedTuple):
    """What the flags of a tool say; None leaves the config as it is.

    Attributes:
        dataset: Data-set name, as `--dataset` takes it.
        data_root: Its folder.
        shots: Training images a class.
        seed: Seed of the draw, the start and the training.
        amp: 'no', 'fp16' or 'bf16'.
        options: Dotted keys and values of `--cfg-options`; they win over everything.
        recipe_of: Data set whose recipe is applied, by name; None for the data set's own. A shifted
            copy of a training set takes the recipe of the original.
    """

    dataset: str | None = None
    data_root: str | None = None
    shots: int | None = None
    seed: int | None = None
    amp: str | None = None
    options: Mapping[str, Any] | None = None
    recipe_of: str | None = None
