"""What every tool does first: settle config, data set, shots and device."""

from pathlib import Path
from typing import Any, NamedTuple

from mmengine.config import Config

from plp.datasets import FewShot
from plp.engine.build import run_seed
from plp.engine.choices import Choices
from plp.engine.config import choose, load_config
from plp.engine.data import draw
from plp.engine.data_options import DataOptions
from plp.engine.result import forget_peak
from plp.engine.runner import check_device


class Setup(NamedTuple):
    """The decisions of a run, before anything is built.

    Attributes:
        config: Config with flags, recipe and options applied.
        recipe: Entries of the recipe that took effect.
        seed: Seed of the run.
        device: Where it runs.
        options: The `data` section.
        few: Images, drawn.
    """

    config: Config
    recipe: dict[str, Any]
    seed: int
    device: str
    options: DataOptions
    few: FewShot


def set_up(
    config: str | Path | Config, choices: Choices | None = None, device: str | None = None
) -> Setup:
    """Settle a run.

    Raises:
        PlpError: if config, flags, data or device do not fit.
    """
    if not isinstance(config, Config):
        config = load_config(config)
    config, source, recipe = choose(config, choices or Choices())
    seed = run_seed(config)
    device = check_device(device, config.model.get("precision", "fp32"))
    forget_peak(device)
    options = DataOptions.of(config)
    return Setup(config, recipe, seed, device, options, draw(source, options, seed))
