"""From a config file and flags to the config of one run."""

import inspect
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmengine.config import Config, ConfigDict

from plp.config.backbone_choice import check_named_backbone, put_backbone
from plp.config.choices import AMP, Choices
from plp.config.data_options import settle_class_names
from plp.config.file import parse_config
from plp.config.paths import check_file, config_path
from plp.config.pixel_options import settle_pixel_options
from plp.config.schedule import (
    check_optimizer,
    check_schedules,
    check_train_cfg,
)
from plp.config.start_rate import settle_start_rates
from plp.datasets import DataSource, source_config, source_names
from plp.errors import ConfigError, did_you_mean
from plp.learners.sigmoid import check_model_probability
from plp.learners.without_texts import check_model_texts
from plp.registry import DATASETS
from plp.zoo.streams import check_model_streams

KNOWN_KEYS = (
    "dataset", "data", "model", "optim_wrapper", "param_scheduler", "train_cfg", "randomness",
    "selection", "save_seconds", "report", "recipes", "shot_recipes", "custom_imports",
    "custom_hooks", "hooks", "default_scope", "work_dir", "init_from",
)  # fmt: skip
SECTIONS = (
    "dataset", "data", "model", "optim_wrapper", "train_cfg", "randomness", "recipes",
    "shot_recipes", "hooks",
)  # fmt: skip


def load_config(path: str | Path) -> Config:
    """Read a config file, or the config of a method by its name, see `config_path`.

    Modules named by `custom_imports` are looked for beside the config and in the current folder.

    Raises:
        ConfigError: if the file is missing or no valid config, or has unknown top-level keys.
    """
    path = config_path(path)
    check_file(path)
    look_in(str(path.resolve().parent), os.getcwd())
    config = parse_config(path)
    for key in [key for key in config if key.startswith("_")]:
        config.pop(key)  # variables of the file's own
    _check_keys(config, str(path))
    return config


def look_in(*folders: str) -> None:
    """Let modules of a user's own be imported from folders, behind all that is installed."""
    sys.path += [folder for folder in dict.fromkeys(folders) if folder not in sys.path]


def _check_keys(config: Config, where: str) -> None:
    for key in config:
        if key not in KNOWN_KEYS:
            hint = did_you_mean(key, KNOWN_KEYS)
            raise ConfigError(
                f"{where}: unknown top-level key {key!r}.{hint} Known: {', '.join(KNOWN_KEYS)}. "
                "Variables of a config's own start with an underscore"
            )
    for key in ("model", "data"):
        if key not in config:
            raise ConfigError(f"{where}: expected a key {key!r}")
    for key in SECTIONS:
        if not isinstance(config.get(key, {}), Mapping):
            raise ConfigError(f"{where}: expected {key!r} to be a dict, got {config[key]!r}")


def choose(config: Config, choices: Choices) -> tuple[Config, DataSource, dict[str, Any]]:
    """Apply flags, the recipes of the shots and of the dataset, and options, in this order.

    `recipes` has dotted keys and values by data-set name; `shot_recipes` has them by a number of
    shots as text, and holds for that number and those between it and the next smaller one:
    `{"1": ..., "4": ...}` has a recipe for one shot, and one for two to four. The recipe of a data
    set may have such entries of its own under `shots`, which come last.

    Returns:
        The config of the run, the data source, and the recipe's entries that took effect.

    Raises:
        ConfigError: for a value that fits nowhere, or an unknown dataset.
        DataError: if the dataset is not where it should be.
    """
    config = Config(ConfigDict(config._cfg_dict.to_dict()), filename=config.filename)
    options = choices.entries()
    _refuse_training_flags(config, choices)
    put_backbone(config, choices)
    merge_options(config, options)
    _check_keys(config, "after --cfg-options")
    if choices.shots is not None:
        config.data.shots = choices.shots
    if choices.seed is not None:
        config.setdefault("randomness", ConfigDict()).seed = choices.seed
    if choices.amp is not None:
        if choices.amp not in AMP:
            raise ConfigError(f"expected --amp {', '.join(AMP)}, got {choices.amp!r}")
        config.model.precision = AMP[choices.amp]
    source = _source(config, choices, options)
    name = source.recipe if choices.recipe_of is None else choices.recipe_of
    own = _entry(config.get("recipes"), name, "recipes")
    shots = _entry(own, "shots", f"recipes.{name}")
    own.pop("shots", None)
    number = config.data.get("shots", 16)
    recipe = (
        _of_shots(config.get("shot_recipes"), number, "shot_recipes")
        | own
        | _of_shots(shots, number, f"recipes.{name}.shots")
    )
    recipe = {key: value for key, value in recipe.items() if key not in options}
    merge_options(config, recipe)
    config.pop("recipes", None)
    config.pop("shot_recipes", None)
    ours = ("recipes", "shot_recipes")
    merge_options(config, {k: v for k, v in options.items() if k.split(".")[0] not in ours})
    settle_pixel_options(config, source, choices.trained_data)
    settle_class_names(config)
    check_named_backbone(config)
    check_model_streams(config.model)
    check_train_cfg(config)
    check_optimizer(config)
    settle_start_rates(config)
    check_schedules(config)
    check_model_texts(config.model)
    check_model_probability(config.model)
    return config, source, recipe


def _entry(recipes: Any, key: str, where: str) -> dict[str, Any]:
    recipe = (recipes or {}).get(key, {})
    if not isinstance(recipe, Mapping):
        raise ConfigError(f"expected {where}.{key} to be a dict, got {recipe!r}")
    return dict(recipe)


def _of_shots(recipes: Any, shots: Any, where: str) -> dict[str, Any]:
    """Return the recipe of the smallest number of shots that is not below the run's."""
    sizes = list(recipes or {})
    if any(not str(size).isdigit() for size in sizes):
        raise ConfigError(f"expected {where} by numbers of shots, such as '4', got {sizes}")
    fitting = [size for size in sizes if isinstance(shots, int) and int(size) >= shots]
    return _entry(recipes, min(fitting, key=int), where) if fitting else {}


def _refuse_training_flags(config: Config, choices: Choices) -> None:
    """Refuse flags about training for a method that trains nothing; they would have no effect."""
    flags = choices.of_training()
    section = config.get("train_cfg") or {}
    if flags and isinstance(section, Mapping) and section.get("max_epochs") == 0:
        raise ConfigError(
            f"{', '.join(flags)}: {config.filename or 'this config'} trains nothing by gradient "
            "(its train_cfg.max_epochs is 0), so there is nothing to set. Leave "
            f"{'it' if len(flags) == 1 else 'them'} out"
        )


def _source(config: Config, choices: Choices, options: Mapping[str, Any]) -> DataSource:
    if choices.dataset is None and choices.data_root is None:
        if "dataset" not in config:
            raise ConfigError("the config names no dataset: give --dataset NAME [--data-root DIR]")
        return DATASETS.build(config.dataset)
    if choices.dataset is None and "root" in (config.get("dataset") or {}):
        config.dataset.root = os.path.realpath(str(choices.data_root))
        return DATASETS.build(config.dataset)
    if choices.dataset is None:
        raise ConfigError("--data-root needs --dataset: for a folder of your own, --dataset folder")
    keywords = {
        key.removeprefix("dataset."): value
        for key, value in options.items()
        if key.startswith("dataset.")
    }
    kind = source_names().get(choices.dataset)
    takes = inspect.signature(kind).parameters if kind else ()
    if choices.test_fraction is not None and kind and "test_fraction" not in takes:
        raise ConfigError(
            f"--test-fraction: dataset {choices.dataset!r} has a test split of its own. The flag "
            "is for --dataset folder, where there is no test/"
        )
    source = source_config(choices.dataset, choices.data_root, **keywords)
    config.dataset = ConfigDict(source)
    if choices.data_root is not None:
        config.dataset.root = os.path.realpath(choices.data_root)
    return DATASETS.build(source)


def merge_options(config: Config, options: Mapping[str, Any]) -> None:
    """Set dotted keys of a config in place.

    Raises:
        ConfigError: if a key leads through something that is no mapping or list.
    """
    try:
        config.merge_from_dict(dict(options))
    except (KeyError, TypeError, AttributeError, IndexError, AssertionError) as error:
        raise ConfigError(f"the options {dict(options)} do not fit the config: {error}") from error


def wants_report(config: Config) -> bool:
    """Return the entry `report` of a config; True if it has none.

    Raises:
        ConfigError: for anything but True and False.
    """
    wanted = config.get("report", True)
    if not isinstance(wanted, bool):
        raise ConfigError(f"expected report to be True or False, got {wanted!r}")
    return wanted
