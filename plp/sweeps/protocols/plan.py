"""From flags to trainings and to the tests of what they trained."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from mmengine.config import Config

from plp.config.choices import BASE_TO_NEW, CROSS_DATASET, DOMAIN, OOD, PROTOCOLS
from plp.config.load import choose
from plp.engine.build import local_seed
from plp.engine.restore import places_of
from plp.errors import CheckpointError, ConfigError
from plp.learners.prompt_learner import PromptLearner
from plp.ood.duplicates import find_duplicates_of_sets
from plp.ood.sets import ID, OODSet, list_ood_sets
from plp.registry import BACKBONES, MODELS
from plp.sweeps.compare.job import Job, Task
from plp.sweeps.compare.key import Keys, Settled
from plp.sweeps.compare.plan import RUNS, Plan, Wanted, make_plan, options_as_text
from plp.sweeps.compare.sources import DataChoice, find_datasets

TESTS = "tests"
CLASSES_KEY = "data.classes"


class Asked(NamedTuple):
    """What is to be done.

    Attributes:
        protocol: One of `PROTOCOLS`.
        wanted: Methods, training sets, shots, seeds and the rest, as for a comparison.
        targets: Datasets to test on (cross-dataset, domain), see `find_datasets`.
        ood: Folders of out-of-distribution sets by name (ood).
        near: Names of the sets that are near-OOD (ood).
    """

    protocol: str
    wanted: Wanted
    targets: Sequence[str] = ()
    ood: Mapping[str, str] = {}
    near: Sequence[str] = ()


class ProtocolPlan(NamedTuple):
    """Jobs of a protocol.

    Attributes:
        protocol: One of `PROTOCOLS`.
        trainings: Trainings, each tested on the dataset it was trained on.
        tests: Tests of what they trained, elsewhere.
        datasets: Training sets by the names that were given.
        targets: Names of what is tested, in the order asked for.
    """

    protocol: str
    trainings: Plan
    tests: list[Job]
    datasets: tuple[str, ...]
    targets: tuple[str, ...]


def plan_protocol(asked: Asked) -> ProtocolPlan:
    """Settle every training and every test, so that what does not fit is told before any runs.

    Raises:
        PlpError: for anything a user can mend, with the job it concerns.
    """
    _check(asked)
    wanted = asked.wanted
    keys = Keys(wanted.read_all_images)
    if asked.protocol == BASE_TO_NEW:
        wanted = wanted._replace(options={**(wanted.options or {}), CLASSES_KEY: "base"})
    plan = make_plan(wanted, keys)._replace(options=options_as_text(asked.wanted))
    datasets, targets = plan.datasets, find_datasets(asked.targets, "--targets")
    if asked.protocol == BASE_TO_NEW:
        jobs = [job._replace(dataset=f"{job.dataset}-base") for job in plan.jobs]
        plan = plan._replace(jobs=jobs, datasets=tuple(f"{name}-base" for name in datasets))
    tests = [
        _settled(test, keys, keys.settle(job))
        for job in plan.jobs
        for test in _tests(asked, job, keys, targets)
    ]
    plan = plan._replace(notes=(*plan.notes, *_told_of_sets(asked, plan.jobs, keys)))
    names = tuple(asked.ood) or tuple(choice.name for choice in targets)
    if asked.protocol == BASE_TO_NEW:
        names = tuple(f"{name}-new" for name in datasets)
    keys.remember()
    return ProtocolPlan(asked.protocol, plan, tests, datasets, names)


def refuse_bound_methods(plan: ProtocolPlan) -> None:
    """Refuse methods that belong to the classes they were trained with, if the tests have others.

    Their learners are built to find out, on one backbone for all that share it.

    Raises:
        ConfigError: naming the methods and why they cannot take part.
    """
    keys, backbones, refused = Keys(), {}, {}
    for job in plan.tests:
        if job.task is None or job.task.classes != "new" or job.method in refused:
            continue
        config, _, _ = choose(keys.load(job.config), job.choices)
        key = str(config.model.get("backbone"))
        if key not in backbones:
            backbones[key] = BACKBONES.build_if_config(config.model.backbone)
        if reason := why_bound(config, backbones[key]):
            refused[job.method] = reason
    if refused:
        reasons = "; ".join(f"{method}: {reason}" for method, reason in refused.items())
        raise ConfigError(
            f"{plan.protocol} tests classes that no method has seen in training. These cannot take "
            f"part, leave them out: {reasons}"
        )


def why_bound(config: Config, backbone: Any) -> str:
    """Return why the learner of a config cannot take new class names; '' if it can."""
    model = {**config.model.to_dict(), "backbone": backbone}
    with local_seed(0):
        learner: PromptLearner = MODELS.build(model, class_names=("ant", "bee"))
    try:
        learner.set_class_names(("cat", "dog"))
    except ConfigError as error:
        return str(error)
    return ""


def _check(asked: Asked) -> None:
    if asked.protocol not in PROTOCOLS:
        raise ConfigError(
            f"expected a protocol among {', '.join(PROTOCOLS)}, got {asked.protocol!r}"
        )
    if CLASSES_KEY in (asked.wanted.options or {}) and asked.protocol == BASE_TO_NEW:
        raise ConfigError(f"base-to-new sets {CLASSES_KEY} itself: take it out of --cfg-options")
    needs_targets = asked.protocol in (CROSS_DATASET, DOMAIN)
    if needs_targets != bool(asked.targets):
        word = "needs" if needs_targets else "takes no"
        raise ConfigError(f"{asked.protocol} {word} --targets, got {list(asked.targets)}")
    if (asked.protocol == OOD) != bool(asked.ood):
        word = "needs" if asked.protocol == OOD else "takes no"
        raise ConfigError(f"{asked.protocol} {word} --ood NAME=ROOT, got {dict(asked.ood)}")
    if asked.ood:
        list_ood_sets(asked.ood)
    if strangers := [name for name in asked.near if name not in asked.ood]:
        known = ", ".join(asked.ood) or "none"
        raise ConfigError(f"expected --near among {known}, got {', '.join(strangers)}")


def _tests(asked: Asked, job: Job, keys: Keys, targets: Sequence[DataChoice]) -> Iterator[Job]:
    """Yield the tests of what a job trains."""
    task = Task(job.folder, f"trained on {job.dataset}", job.parts)
    if asked.protocol == BASE_TO_NEW:
        options = {**job.options, CLASSES_KEY: "new"}
        task = task._replace(classes="new")
        yield _test(job, task, job.dataset.removesuffix("-base") + "-new", options=options)
    elif asked.protocol == OOD:
        ood, near = dict(asked.ood), tuple(asked.near)
        yield _test(
            job, task._replace(title="out-of-distribution", ood=ood, near=near), job.dataset
        )
    for choice in targets:
        if choice.name == job.dataset:
            _check_same(choice, job)
            continue  # the training has its own test of it
        own = task._replace(classes="new")
        if asked.protocol == DOMAIN:
            recipe_of = keys.settle(job).dataset
            own = own._replace(classes="subset", recipe_of=recipe_of)
        yield _test(job, own, choice.name, source=choice.dataset, root=choice.root)


def _told_of_sets(asked: Asked, jobs: Sequence[Job], keys: Keys) -> Iterator[str]:
    """Yield what a reader must know of out-of-distribution sets that hold test images."""
    if not asked.ood:
        return
    sets = list_ood_sets(asked.ood)
    for name, job in {job.dataset: job for job in jobs}.items():
        splits = keys.splits(job)
        inside = OODSet(ID, splits.root, splits.test, splits.class_names, name)
        yield from (f"{name}: {note}." for note in find_duplicates_of_sets(inside, sets).notes)


def _check_same(choice: DataChoice, job: Job) -> None:
    if (choice.dataset, choice.root) != (job.source, job.root):
        raise ConfigError(
            f"--targets: {choice.name!r} is another dataset than the one trained on, which has "
            "the same name. Call it something else: NAME=ROOT"
        )


def _test(job: Job, task: Task, dataset: str, **changes: Any) -> Job:
    folder = "ood" if task.ood else dataset
    path = Path(TESTS) / job.path.relative_to(RUNS) / folder
    return job._replace(task=task, dataset=dataset, path=path, parts={}, **changes)


def _settled(test: Job, keys: Keys, trained: Settled) -> Job:
    try:
        settled = keys.settle(test)
        if test.task is not None and test.task.classes == "subset":
            places_of(settled.class_names, trained.class_names)
    except CheckpointError as error:
        raise ConfigError(
            f"{test.title}: {error}. A shift has the classes of the training set, or some of them"
        ) from error
    except ConfigError as error:
        raise ConfigError(f"{test.title}: {error}") from error
    return test._replace(parts=settled.parts)
