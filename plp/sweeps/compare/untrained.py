"""Methods that train nothing, and options of a call that are about training."""

from collections.abc import Iterable

from mmengine.config import Config

from plp.config.load import choose
from plp.errors import PlpError
from plp.sweeps.compare.job import Job

_SECTIONS = ("train_cfg", "optim_wrapper", "param_scheduler", "selection")


class TrainingOptions:
    """Takes options about training away from methods that train nothing, recipes included.

    Such a method has no epochs to set: with the options its runs would fail, after the images have
    been encoded, or be called different from those without.
    """

    def __init__(self) -> None:
        self._trains: dict[tuple[str, str, str | None, int], bool] = {}
        self._dropped: dict[str, dict[str, None]] = {}  # options by method

    def fitting(self, job: Job, config: Config) -> Job:
        """Return a job without the options that its method has no use for.

        Args:
            job: As it was asked for.
            config: Its config as loaded.
        """
        options = {key: value for key, value in job.options.items() if not _is_of_training(key)}
        if len(options) == len(job.options):
            return job
        cell = (job.method, job.source, job.root, job.shots)
        if cell not in self._trains:
            self._trains[cell] = _trains(job._replace(options=options), config)
        if self._trains[cell]:
            return job
        dropped = [f"{key}={job.options[key]}" for key in job.options if key not in options]
        self._dropped.setdefault(job.method, {}).update(dict.fromkeys(dropped))
        return job._replace(options=options)

    def notes(self) -> tuple[str, ...]:
        """Return one sentence about all that was taken away."""
        if not self._dropped:
            return ()
        options = dict.fromkeys(one for found in self._dropped.values() for one in found)
        one = len(self._dropped) == 1
        verb, its = ("trains", "its config") if one else ("train", "their configs")
        return (
            f"{_listed(self._dropped)} {verb} nothing (max_epochs is 0 in {its}) and "
            f"{'runs' if one else 'run'} without {_listed(options)}.",
        )


def _is_of_training(key: str) -> bool:
    return key.split(".")[0] in _SECTIONS


def _trains(job: Job, config: Config) -> bool:
    """Whether a method trains; also where its config does not fit, which is told with the job."""
    try:
        chosen, _, _ = choose(config, job.choices)
    except PlpError:
        return True
    return chosen.get("train_cfg", {}).get("max_epochs") != 0


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names)
