"""What every tool does first: settle config, dataset, shots and device."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from mmengine.config import Config

from plp.config.backbone_choice import backbone_notes, named_backbone
from plp.config.choices import Choices
from plp.config.data_options import DataOptions
from plp.config.load import choose, load_config
from plp.config.pixel_options import reading_of
from plp.datasets import FewShot, Splits
from plp.datasets.duplicates import Duplicates
from plp.datasets.readable import inspect_images, refuse_unreadable
from plp.engine.build import run_seed
from plp.engine.data import draw_from, list_images
from plp.engine.duplicates import check_duplicates
from plp.engine.result import forget_peak
from plp.engine.runner import check_device
from plp.errors import ConfigError, DataError
from plp.printable import printable
from plp.zoo.names import Named


class Setup(NamedTuple):
    """The decisions of a run, before anything is built.

    Attributes:
        config: Config with flags, recipe and options applied.
        recipe: Entries of the recipe that took effect.
        seed: Seed of the run.
        device: Where it runs.
        options: The `data` section.
        few: Images, drawn.
        duplicates: Which content stands twice among them; `few.notes` say it, too.
        backbone: What `--backbone` has put in place of the config's own; None for the config's.
    """

    config: Config
    recipe: dict[str, Any]
    seed: int
    device: str
    options: DataOptions
    few: FewShot
    duplicates: Duplicates
    backbone: Named | None = None


def set_up(
    config: str | Path | Config, choices: Choices | None = None, device: str | None = None
) -> Setup:
    """Settle a run.

    Raises:
        PlpError: if config, flags, data or device do not fit.
    """
    if not isinstance(config, Config):
        config = load_config(config)
    loaded, choices = config, choices or Choices()
    config, source, recipe = choose(loaded, choices)
    seed = run_seed(config)
    device = check_device(device, config.model.get("precision", "fp32"))
    forget_peak(device)
    options = DataOptions.of(config)
    splits = list_images(source)
    few = draw_from(splits, options, seed)
    try:
        duplicates = check_duplicates(source, splits, few, options)
    except DataError as error:  # what else is wrong is told in the same message
        raise DataError(f"{error}{_also_unreadable(few, options)}") from error
    unused = _unused_fraction(config, choices, splits)
    told = backbone_notes(loaded, choices)
    few = few._replace(notes=(*few.notes, *unused, *duplicates.notes, *told))
    return Setup(
        config, recipe, seed, device, options, few, duplicates, named_backbone(loaded, choices)
    )


def _also_unreadable(few: FewShot, options: DataOptions) -> str:
    """Return which images of a run cannot be read, as part of a message; '' if all can."""
    items = list(dict.fromkeys([*few.train, *few.val, *few.test]))
    try:
        found = inspect_images(items if options.verify else [], few.root, reading=options.reading)
        refuse_unreadable(found)
    except DataError as error:
        return f"\n{error}"
    return ""


def _unused_fraction(config: Config, choices: Choices, splits: Splits) -> tuple[str, ...]:
    """Say that a share of test images was asked for where the folder has a test part of its own."""
    fraction = choices.entries().get("dataset.test_fraction")
    held_out = any("test_fraction=" in note for note in splits.notes)
    if fraction is None or held_out or config.dataset.get("type") != "Folder":
        return ()
    return (
        f"{splits.name}: dataset.test_fraction={fraction} (--test-fraction) has no effect: the "
        "folder has test images of its own",
    )


def check_texts(value: Any, key: str = "") -> None:
    """Refuse texts of a config that no checkpoint could keep: names that are not valid UTF-8.

    Args:
        value: The config, or a part of it.
        key: Where the part stands.

    Raises:
        ConfigError: naming the key, and the text as it can be shown.
    """
    if isinstance(value, Mapping):
        for name, inner in value.items():
            check_texts(str(name), key)
            check_texts(inner, f"{key}.{name}" if key else str(name))
    elif isinstance(value, list | tuple):
        for inner in value:
            check_texts(inner, key)
    elif isinstance(value, str) and not _is_utf8(value):
        what = "the folder of the dataset" if key == "dataset.root" else f"{key} of the config"
        raise ConfigError(
            f"{what}, '{printable(value)}', is not valid UTF-8, so no checkpoint could name it. "
            "Rename it"
        )


def _is_utf8(text: str) -> bool:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def as_begun(
    setup: Setup,
    saved: Mapping[str, Any] | None,
    config: str | Path | Config,
    choices: Choices | None = None,
) -> Setup:
    """Settle a run that is resumed: its images are read as when it began.

    Args:
        setup: The run, settled as a new one.
        saved: The `data` section that its state keeps; None if there is no state.
        config: As `set_up` took it. Where it says how images are read, that counts.
        choices: Likewise.
    """
    if saved is None or reading_of(saved) == setup.options.reading:
        return setup
    return set_up(config, (choices or Choices())._replace(trained_data=saved), setup.device)
