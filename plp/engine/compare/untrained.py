"""Methods that train nothing, and options of a call that would have them train."""

from collections.abc import Iterable

from mmengine.config import Config

from plp.engine.compare.job import Job
from plp.engine.config import choose
from plp.errors import ConfigError, PlpError

EPOCHS = "train_cfg.max_epochs"


def refuse_epochs_of_untrained(jobs: Iterable[tuple[Job, Config]]) -> None:
    """Refuse options that set epochs for a method whose config, recipes included, has none.

    Each of its runs would fail, after the images have been encoded.

    Args:
        jobs: Jobs and their configs as loaded; one of each method, data set and number of shots.

    Raises:
        ConfigError: naming the methods and what to do.
    """
    refused, epochs = dict[str, None](), 0
    for job, config in jobs:
        others = {key: v for key, v in job.options.items() if key not in ("train_cfg", EPOCHS)}
        if len(others) == len(job.options) or job.method in refused:
            continue
        try:
            own, asked = _epochs(job._replace(options=others), config), _epochs(job, config)
        except PlpError:  # told with the title of the job when it is settled
            continue
        if own == 0 and asked:
            refused[job.method], epochs = None, asked
    if refused:
        names, their = ", ".join(refused), "its config" if len(refused) == 1 else "their configs"
        raise ConfigError(
            f"--cfg-options {EPOCHS}={epochs}: nothing is trained in {names} (max_epochs is 0 in "
            f"{their}). Leave that option out, or compare {names} without it in a call of their own"
        )


def _epochs(job: Job, config: Config) -> int | None:
    chosen, _, _ = choose(config, job.choices)
    epochs: int | None = chosen.get("train_cfg", {}).get("max_epochs")
    return epochs
