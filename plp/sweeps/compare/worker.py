"""Running one job, in this process."""

import contextlib
import gc
import logging
import os
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from mmengine.config import Config

from plp.config.choices import Choices
from plp.engine.evaluate import evaluate_checkpoint
from plp.engine.one_writer import only_writer
from plp.errors import CheckpointError, ConfigError, PlpError, describe_os_error
from plp.ood.run import evaluate_ood
from plp.printable import PlainFormatter
from plp.report.finished_run import train_and_report
from plp.sweeps.compare.job import Job, Task
from plp.sweeps.compare.key import Keys
from plp.sweeps.compare.state import Kind, begin, finish, state_of

LOG = "log.txt"

Tell = Callable[[str], None]


class Outcome(NamedTuple):
    """How a job ended.

    Attributes:
        job: The job.
        error: What went wrong; None if there is a result.
        seconds: How long it took.
    """

    job: Job
    error: str | None
    seconds: float


def execute(
    job: Job, keys: Keys, *, own_streams: bool = False, tell: Tell | None = None
) -> Outcome:
    """Run a job; whatever goes wrong is its outcome, and stands in the log of its folder.

    Args:
        job: What to run.
        keys: Reads config and data, once for all jobs of a process.
        own_streams: Whether standard output and error of this process may go to the log as well.
        tell: Gets what is not for the log alone; None: plp's log as it is outside of the job.
    """
    start, error, begun = time.monotonic(), None, False
    tell = tell or _outside(job)
    try:
        config, resume = _begin(job, keys)
        begun = True
        _run(job, config, resume, own_streams, tell, start)
    except PlpError as problem:
        error = str(problem)
    except Exception as problem:  # a full disk; of a component, perhaps the user's: others go on
        if isinstance(problem, OSError):
            error = describe_os_error(problem)
        else:
            error = f"{type(problem).__name__}: {problem}"
        if begun:
            error += f" (traceback in {job.folder / LOG})"
        elif not isinstance(problem, OSError):
            logging.getLogger("plp").error("%s", traceback.format_exc())
    gc.collect()  # a Runner and its hooks refer to each other
    return Outcome(job, error, time.monotonic() - start)


def _begin(job: Job, keys: Keys) -> tuple[Config, bool]:
    """Make the folder of a job ready; return its config, and whether it is resumed."""
    settled = keys.settle(job)
    if changed := [n for n, digest in settled.parts.items() if job.parts.get(n) != digest]:
        raise ConfigError(
            f"{', '.join(changed)} changed since the comparison began: start it again"
        )
    with only_writer(job.folder, "run", "--out"):
        pass  # nobody writes there; what is moved away next is nobody's
    resume = state_of(job).kind is Kind.INTERRUPTED
    begin(job, resume)
    return settled.config, resume


def _run(
    job: Job, config: Config, resume: bool, own_streams: bool, tell: Tell, start: float
) -> None:
    with _log_to(job.folder / LOG, own_streams, tell):
        if job.task is not None:
            _perform(job, job.task, config)
            finish(job, time.monotonic() - start)
            return
        choices = _without_report(job.choices)
        try:
            train_and_report(config, choices, work_dir=job.folder, resume=resume,
                  device=job.device)  # fmt: skip
        except CheckpointError as problem:
            if not resume:
                raise
            logging.getLogger("plp").warning("cannot be resumed, starts anew: %s", problem)
            begin(job, resume=False)
            with _log_to(job.folder / LOG, own_streams, tell):
                train_and_report(config, choices, work_dir=job.folder, device=job.device)
    finish(job, time.monotonic() - start)


def _without_report(choices: Choices) -> Choices:
    """Leave the report of each run out, unless somebody asks for it: a comparison has its own."""
    return choices._replace(options={"report": False, **(choices.options or {})})


def _perform(job: Job, task: Task, config: Config) -> None:
    """Test a trained run."""
    choices, device = job.choices, job.device
    if task.ood:
        evaluate_ood(config, task.trained, task.ood, choices, near=task.near, out=job.folder,
                     device=device)  # fmt: skip
    else:
        evaluate_checkpoint(config, task.trained, choices, device=device, out=job.result,
                            classes=task.classes)  # fmt: skip


def _outside(job: Job) -> Tell:
    """Return what writes to plp's log as it is set now, whatever the job sets it to."""
    logger = logging.getLogger("plp")
    outside = logger.handlers[:], logger.level, logger.propagate

    def tell(text: str) -> None:
        inside = logger.handlers[:], logger.level, logger.propagate
        logger.handlers, level, logger.propagate = outside
        logger.setLevel(level)
        logger.info("%s: %s", job.title, text)
        logger.handlers, level, logger.propagate = inside
        logger.setLevel(level)

    return tell


@contextlib.contextmanager
def _log_to(path: Path, own_streams: bool, tell: Tell) -> Iterator[None]:
    """Let plp's log, and tracebacks, go to a file; to `tell` what is marked as for the screen."""
    logger = logging.getLogger("plp")
    before = logger.handlers[:], logger.level, logger.propagate
    if path.is_symlink():
        path.unlink()  # replaced and not followed, as every file of a run
    handler = _JobLog(path, encoding="utf-8")
    handler.setFormatter(PlainFormatter("%(asctime)s %(message)s"))
    logger.handlers, logger.propagate = [handler, _Screen(tell)], False
    logger.setLevel(logging.INFO)
    try:
        with _streams_to(path) if own_streams else contextlib.nullcontext():
            yield
    except Exception as problem:
        logger.error("%s", problem if isinstance(problem, PlpError) else traceback.format_exc())
        raise
    finally:
        logger.handlers, level, logger.propagate = before
        logger.setLevel(level)
        with contextlib.suppress(OSError):
            handler.close()


class _Screen(logging.Handler):
    """Passes on what is marked as for the screen of a comparison."""

    def __init__(self, tell: Tell) -> None:
        super().__init__()
        self._tell = tell

    def emit(self, record: logging.LogRecord) -> None:
        """Pass a message on, if it has the mark `feature_cache.SCREEN`."""
        if getattr(record, "screen", False):
            self._tell(record.getMessage())


class _JobLog(logging.FileHandler):
    """The log of a job; on a full disk it is cut short, and the job says what is wrong itself."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging's name
        """Be silent: logging would print a traceback for every line."""


@contextlib.contextmanager
def _streams_to(path: Path) -> Iterator[None]:
    """Append what this process and its children print to a file, at the level of descriptors."""
    saved = os.dup(1), os.dup(2)
    with open(path, "ab", buffering=0) as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
        try:
            yield
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            for number, copy in enumerate(saved, start=1):
                os.dup2(copy, number)
                os.close(copy)
