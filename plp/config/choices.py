"""What the flags of a tool can choose: names and values, light to import.

Nothing here imports torch or mmengine, so that flags are read before anything takes seconds.
"""

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

from plp.errors import ConfigError

AMP = {"no": "fp32", "fp16": "fp16", "bf16": "bf16"}
VARIANT = "lite_16shot"  # the config of a method that is taken where none is named,
VARIANTS = (VARIANT, "vitb16_16shot")  # and those that stand in for it, the first that is there

ENTRIES = {  # which entry of the config a flag sets
    "epochs": "train_cfg.max_epochs",
    "lr": "optim_wrapper.optimizer.lr",
    "val": "selection",
    "test_fraction": "dataset.test_fraction",
}

Classes = Literal["same", "subset", "new"]
CLASSES: tuple[Classes, ...] = ("same", "subset", "new")

BASE_TO_NEW, CROSS_DATASET, DOMAIN, OOD = "base-to-new", "cross-dataset", "domain", "ood"
PROTOCOLS = (BASE_TO_NEW, CROSS_DATASET, DOMAIN, OOD)


class Choices(NamedTuple):
    """What the flags of a tool say; None leaves the config as it is.

    Attributes:
        dataset: Data-set name, as `--dataset` takes it.
        data_root: Its folder.
        shots: Training images per class.
        seed: Seed of the draw, the start and the training.
        amp: 'no', 'fp16' or 'bf16'.
        options: Dotted keys and values of `--cfg-options`; they win over everything.
        recipe_of: Dataset whose recipe is applied, by name; None for the dataset's own. A shifted
            copy of a training set takes the recipe of the original.
        epochs: Epochs of the training.
        lr: Learning rate of the optimizer.
        val: Whether the epoch with the best accuracy on the validation images is tested.
        test_fraction: Share of test images of a folder that has no parts of its own.
        trained_data: The `data` section of a trained run, whose way of reading pixels is followed
            where the config leaves it open.
        backbone: Short or full name of the backbone that takes the place of the config's own.
    """

    dataset: str | None = None
    data_root: str | None = None
    shots: int | None = None
    seed: int | None = None
    amp: str | None = None
    options: Mapping[str, Any] | None = None
    recipe_of: str | None = None
    epochs: int | None = None
    lr: float | None = None
    val: bool = False
    test_fraction: float | None = None
    trained_data: Mapping[str, Any] | None = None
    backbone: str | None = None

    def entries(self) -> dict[str, Any]:
        """Return the entries of the config that the flags set: those of `--cfg-options` and others.

        Raises:
            ConfigError: for an entry that two flags set to different values.

        Example:
            >>> Choices(epochs=5, val=True, options={'data.views': 1}).entries()
            {'data.views': 1, 'train_cfg.max_epochs': 5, 'selection': 'val'}
        """
        found = dict(self.options or {})
        given = {"epochs": self.epochs, "lr": self.lr, "val": "val" if self.val else None,
                 "test_fraction": self.test_fraction}  # fmt: skip
        for name, key in ENTRIES.items():
            value = given[name]
            if value is None:
                continue
            stands = found.setdefault(key, value)
            if stands is not value and stands != value:  # NaN is not even equal to itself
                raise ConfigError(
                    f"--{name.replace('_', '-')} sets {key} to {value!r}, --cfg-options to "
                    f"{stands!r}: leave one out"
                )
        return found

    def of_training(self) -> list[str]:
        """Return the flags that were given and concern training by gradient only."""
        given = {"--epochs": self.epochs, "--lr": self.lr, "--val": self.val or None}
        return [flag for flag, value in given.items() if value is not None]
