"""From flags to the jobs of a comparison."""

import dataclasses
import itertools
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from mmengine.config import Config

from plp.checks import check_integer
from plp.config.backbone_choice import backbone_notes, folder_part, named_backbone
from plp.config.choices import Choices
from plp.config.data_options import DataOptions
from plp.engine.places import check_folder_target
from plp.engine.runner import check_device
from plp.engine.setup import check_texts
from plp.errors import ConfigError
from plp.seeds import check_seed
from plp.sweeps.compare.job import Job
from plp.sweeps.compare.key import Keys, Settled
from plp.sweeps.compare.methods import Method, find_methods
from plp.sweeps.compare.sources import DataChoice, find_datasets
from plp.sweeps.compare.untrained import TrainingOptions
from plp.wording import count

RUNS = "runs"
CACHE_KEY = "data.feature_cache"


class Wanted(NamedTuple):
    """What is to be compared.

    Attributes:
        methods: See `find_methods`.
        datasets: See `find_datasets`.
        shots: Training images per class.
        seeds: Seeds of the runs.
        variant: Which config of a method's folder; None: see `find_methods`.
        out: Folder of the comparison.
        device: Where to run; None: a GPU if there is one.
        amp: As `--amp` takes it.
        options: As `--cfg-options` takes them.
        configs: Folder of the methods' configs; None: the one that comes with plp.
        read_all_images: Read every image again to tell whether it has changed.
        backbone: As `--backbone` takes it.
    """

    methods: Sequence[str]
    datasets: Sequence[str]
    shots: Sequence[int]
    seeds: Sequence[int] = (1, 2, 3)
    variant: str | None = None
    out: str | Path = "work_dirs/compare"
    device: str | None = None
    amp: str | None = None
    options: Mapping[str, Any] | None = None
    configs: Path | None = None
    read_all_images: bool = False
    backbone: str | None = None


class Plan(NamedTuple):
    """The jobs of a comparison.

    Attributes:
        jobs: Each with the digests of what it depends on; seed by seed, so that the first tables
            are whole early; datasets in turn, so that workers do not begin with the same images.
        methods: Names in the order asked for.
        datasets: Likewise.
        device: Where the jobs run.
        out: Folder of the comparison.
        notes: What a reader of the tables must know: methods that run without options of the call,
            classes with fewer images than shots, once for each dataset and number of shots, and
            what stands twice in a dataset.
        options: As text, what was asked for that may differ from the configs.
        listings: What the data sources say about their lists, such as what was not read, once each.
    """

    jobs: list[Job]
    methods: tuple[str, ...]
    datasets: tuple[str, ...]
    device: str
    out: Path
    notes: tuple[str, ...] = ()
    options: tuple[str, ...] = ()
    listings: tuple[str, ...] = ()


def make_plan(wanted: Wanted, keys: Keys | None = None) -> Plan:
    """Settle every job, so that what does not fit is told before anything runs.

    Raises:
        PlpError: for anything a user can mend, with the job it concerns.
    """
    own, keys = keys is None, keys or Keys(wanted.read_all_images)
    _check_numbers("--shots", wanted.shots, least=1)
    _check_numbers("--seeds", wanted.seeds, least=0)
    for seed in wanted.seeds:
        check_seed(seed, "--seeds")
    out = check_folder_target(wanted.out, "--out")
    methods = find_methods(wanted.methods, wanted.variant, wanted.configs)
    configs = [keys.load(method.config) for method in methods]  # may register datasets
    datasets = find_datasets(wanted.datasets)
    for place in datasets:
        check_texts({"dataset": {"root": place.root}})
    check_texts(wanted.options or {})
    device = check_device(wanted.device, "fp32")
    chosen = list(zip(methods, configs, strict=True))
    training = TrainingOptions()
    jobs: list[Job] = []
    notes: dict[tuple[str, int | str], str] = {}
    listings: dict[str, None] = {}
    for seed, shots in itertools.product(wanted.seeds, sorted(wanted.shots, reverse=True)):
        for (method, config), data in itertools.product(chosen, datasets):
            job = training.fitting(_job(wanted, method, config, data, shots, seed), config)
            settled = _settled(job, keys, device)
            jobs.append(job._replace(parts=settled.parts))
            notes |= {("", one): f"{one}." for one in backbone_notes(config, job.choices)}
            listings |= dict.fromkeys(settled.notes)
            if settled.shortage:
                told = f"{data.name}, {count(shots, 'shot')}: {settled.shortage}."
                notes.setdefault((data.name, shots), told)
            notes |= {(data.name, note): f"{note}." for note in settled.duplicates}
    names = tuple(method.name for method in methods), tuple(data.name for data in datasets)
    if own:
        keys.remember()
    told_once, texts = (*training.notes(), *notes.values()), options_as_text(wanted)
    return Plan(jobs, *names, device, out, told_once, texts, tuple(listings))


def options_as_text(wanted: Wanted) -> tuple[str, ...]:
    """Return what was asked for that may differ from the configs, each as on a command line."""
    flags = {"--amp": wanted.amp, "--backbone": wanted.backbone}
    given = (f"{flag} {value}" for flag, value in flags.items() if value)
    return (*given, *(f"{key}={value}" for key, value in (wanted.options or {}).items()))


def _job(
    wanted: Wanted, method: Method, config: Config, data: DataChoice, shots: int, seed: int
) -> Job:
    options = dict(wanted.options or {})
    named = named_backbone(config, Choices(options=options, backbone=wanted.backbone))
    if _can_cache(config, options):
        options[CACHE_KEY] = True
    folder = method.folder.with_name(method.folder.name + folder_part(named))
    return Job(
        method=method.name,
        dataset=data.name,
        shots=shots,
        seed=seed,
        config=method.config,
        source=data.dataset,
        root=data.root,
        amp=wanted.amp,
        options=options,
        device=wanted.device,
        out=Path(wanted.out),
        path=Path(RUNS) / folder / data.name / f"{shots}shot_seed{seed}",
        backbone=None if named is None else wanted.backbone,
    )


def _settled(job: Job, keys: Keys, device: str) -> Settled:
    try:
        settled = keys.settle(job)
        check_device(device, settled.precision)
    except ConfigError as error:
        raise ConfigError(f"{job.title}: {error}") from error
    return settled


def _can_cache(config: Config, options: Mapping[str, Any]) -> bool:
    """Whether features may go through the disk: fixed views, and nobody has said otherwise."""
    known = {field.name for field in dataclasses.fields(DataOptions)}
    views = options.get("data.views", config.data.get("views", "epoch"))
    said = "feature_cache" in config.data or any(
        key in ("data", CACHE_KEY) or key.startswith(f"{CACHE_KEY}.") for key in options
    )
    return "feature_cache" in known and views != "epoch" and not said


def _check_numbers(flag: str, numbers: Iterable[Any], least: int) -> None:
    numbers = list(numbers)
    for number in numbers:
        check_integer(flag, number, least)
    if not numbers or len(set(numbers)) < len(numbers):
        raise ConfigError(f"{flag}: expected one number or more, each once, got {numbers}")
