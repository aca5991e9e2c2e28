"""The config of a run as its own checkpoint records it, for tests that repeat nothing."""

from pathlib import Path
from typing import Any

from mmengine.config import Config

from plp.checkpoints.checkpoint import load_checkpoint
from plp.checkpoints.given_weights import weights_key
from plp.checkpoints.header_trust import check_header, names_own_data
from plp.config.choices import Choices, Classes
from plp.config.load import merge_options
from plp.datasets import source_names
from plp.errors import CheckpointError, ConfigError, DataError
from plp.inference.loading import config_of, import_recorded_modules, refuse_code
from plp.results.stated import stated_text


def recorded_config(
    checkpoint: str | Path,
    choices: Choices,
    *,
    classes: Classes = "same",
    trust_code: bool = False,
    trust_header: bool = False,
) -> Config:
    """Return what a run was trained with: config with flags and recipes applied, dataset, seed.

    Args:
        checkpoint: The work directory of a run, or its `model.safetensors`.
        choices: What is asked to differ; it is applied later, and looked at here.
        classes: See `restore_learner`.
        trust_code: Import the modules that the config names.
        trust_header: Open the files and folders that it names; not needed for the work directory
            of a run on the machine that trained it.

    Raises:
        CheckpointError: if there is no checkpoint, or it names code and is not trusted.
        ConfigError: for another dataset, whose recipe only the config file has.
        DataError: if the images of the training are no longer there.
    """
    saved = load_checkpoint(checkpoint)
    stated = stated_text(Path(checkpoint), "config_file")  # for tables
    config = Config(config_of(saved)._cfg_dict.to_dict(), filename=stated)
    if not isinstance(config.get("dataset"), dict):
        raise CheckpointError(
            f"{checkpoint} does not record its dataset: give the config of its training before it"
        )
    if trust_code:
        import_recorded_modules(config)
    else:
        refuse_code(config, checkpoint, ("model", "data", "dataset"))
    pretrained = (choices.options or {}).get(weights_key(config.model.get("backbone")))
    merge_options(config, check_header(config, checkpoint, pretrained, trust_header))
    if choices.dataset is not None:
        _check_dataset(config.dataset, choices, classes)
    elif choices.data_root is None and (root := config.dataset.get("root")) is not None:
        _check_root(root, trust_header or names_own_data(saved.info, checkpoint))
    return config


def _check_dataset(section: Any, choices: Choices, classes: Classes) -> None:
    """Refuse another dataset, unless the recipe of the training is what it takes."""
    name = str(choices.dataset)
    kind = source_names().get(name)
    if kind is None:  # reported where datasets are built
        return
    same = kind.__name__ == section.get("type") and section.get("name", name) in (name, None)
    if not same and classes != "subset":
        raise ConfigError(
            f"--dataset {choices.dataset}: the run was trained on another dataset, and its record "
            "does not say what its config has for this one, such as templates. Give the config "
            "too: CONFIG RUN"
        )


def _check_root(root: Any, trusted: bool) -> None:
    if not trusted:
        raise CheckpointError(
            f"the checkpoint says that its images are at {root!r}, and no result.json beside it "
            "does: say where they are with --data-root DIR, or that you trust it with "
            "--trust-header"
        )
    if isinstance(root, str) and not Path(root).exists():
        raise DataError(
            f"the images of the training are no longer at {root!r}: say where they are with "
            "--data-root DIR"
        )
