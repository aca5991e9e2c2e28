"""Building a learner from a config."""

import logging
import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.config import Config, ConfigDict

from plp.config.load import load_config, merge_options
from plp.errors import ConfigError
from plp.learners.prompt_learner import PromptLearner
from plp.registry import MODELS
from plp.seeds import check_seed

logger = logging.getLogger("plp")


def build_learner(
    config: str | Path | Config | Mapping[str, Any],
    class_names: Sequence[str],
    cfg_options: Mapping[str, Any] | None = None,
    seed: int | None = None,
) -> PromptLearner:
    """Build the learner of a config for given classes.

    Args:
        config: Config file, or a config that is read already.
        class_names: Names of the classes, in label order.
        cfg_options: Dotted keys and values that replace those of the config, such as
            `{'model.backbone.pretrained': 'weights.pt'}`.
        seed: Seed of everything that starts at random; None takes the config's `randomness.seed`.
            The caller's random state is left as it is.

    Returns:
        The learner, on the CPU, in evaluation mode.

    Raises:
        ConfigError: if the config does not fit; WeightsError: if weights cannot be had.
    """
    if isinstance(config, str | Path):
        config = load_config(config)
    elif not isinstance(config, Config):
        config = Config(dict(config))
    config = Config(ConfigDict(config._cfg_dict.to_dict()))
    merge_options(config, cfg_options or {})
    if "model" not in config:
        raise ConfigError("expected a config with a key 'model'")
    seed = run_seed(config) if seed is None else check_seed(seed)
    logger.info("loading %s", _told(config.model.get("backbone")))
    with local_seed(seed):
        learner = MODELS.build(config.model, class_names=class_names)
    return learner.eval()


def _told(backbone: Any) -> str:
    """Name a backbone in the log: what it is, which one, whose weights."""
    if not isinstance(backbone, Mapping):
        return "the model"
    told = (backbone.get(key) for key in ("type", "arch", "pretrained", "name_or_folder"))
    return " ".join(one for one in told if isinstance(one, str))


def run_seed(config: Config) -> int:
    """Return the seed of a run: `randomness.seed`, 1 if the config has none.

    Raises:
        ConfigError: if it is no integer from 0 to 2**32 - 1.
    """
    return check_seed((config.get("randomness") or {}).get("seed", 1))


class local_seed:  # noqa: N801 - a context manager, used like a function
    """Seed the global generators of the CPU inside a block and put their states back behind it.

    Those of GPUs are left alone: `torch.manual_seed` would seed them too.

    Example:
        >>> with local_seed(3):
        ...     first = torch.rand(2)
        >>> with local_seed(3):
        ...     assert torch.equal(first, torch.rand(2))
    """

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def __enter__(self) -> None:
        self._states = random.getstate(), np.random.get_state(), torch.get_rng_state()
        random.seed(self.seed)
        np.random.seed(self.seed)
        torch.default_generator.manual_seed(self.seed)

    def __exit__(self, *_: object) -> None:
        random.setstate(self._states[0])
        np.random.set_state(self._states[1])
        torch.set_rng_state(self._states[2])
