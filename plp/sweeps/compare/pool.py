"""Jobs in worker processes that live as long as there are jobs.

`concurrent.futures` gives all jobs up when one worker dies; here the job of a worker that dies (out
of memory, say) has failed, and the others go on. A worker ends itself when its parent is gone, so
that nothing writes to a run's folder behind the back of the next comparison.
"""

import contextlib
import logging
import os
import signal
import threading
from collections.abc import Iterator, Sequence
from multiprocessing import connection, get_context, parent_process, resource_tracker
from typing import Any

from plp.sweeps.compare.job import Job
from plp.sweeps.compare.worker import Outcome, execute

logger = logging.getLogger("plp")

_THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


def run_here(jobs: Sequence[Job]) -> Iterator[Outcome]:
    """Run jobs one after the other in this process."""
    from plp.sweeps.compare.key import Keys

    keys = Keys()
    for job in jobs:
        yield execute(job, keys)


def run_in_processes(jobs: Sequence[Job], workers: int, threads: int) -> Iterator[Outcome]:
    """Run jobs in worker processes; yield each as it ends.

    The workers are ended when the iterator is exhausted or closed.

    Args:
        jobs: What to run, in the order in which to begin.
        workers: Number of processes.
        threads: Threads of each.
    """
    waiting = list(reversed(jobs))
    crew: list[_Worker] = []
    try:
        while len(crew) < min(workers, len(jobs)):
            crew.append(_Worker(threads))
        for worker in crew:
            worker.give(waiting.pop())
        while crew:
            ready = connection.wait([worker.pipe for worker in crew])
            for worker in [worker for worker in crew if worker.pipe in ready]:
                outcome = worker.take()
                if isinstance(outcome, str):
                    logger.info("%s: %s", worker.job.title, outcome)
                    continue
                if worker.died:
                    crew.remove(worker)
                    worker.end()
                    if waiting:
                        crew.append(worker := _Worker(threads))
                if waiting:
                    worker.give(waiting.pop())
                elif worker in crew:
                    crew.remove(worker)
                    worker.end()
                yield outcome
    finally:
        for worker in crew:
            worker.end()


class _Worker:
    """A process and the pipe to it."""

    def __init__(self, threads: int) -> None:
        context = get_context("spawn")
        self.pipe, theirs = context.Pipe()
        # Not a daemon: those may have no children, and loaders of images have.
        self.process = context.Process(target=_work, args=(theirs, threads), daemon=False)
        saved = {name: os.environ.get(name) for name in _THREAD_VARIABLES}
        os.environ.update(dict.fromkeys(_THREAD_VARIABLES, str(threads)))
        try:
            with _without_ctrl_c():
                self.process.start()
        finally:
            for name, value in saved.items():
                os.environ.pop(name) if value is None else os.environ.update({name: value})
        theirs.close()
        self.died = False
        self.job: Job

    def give(self, job: Job) -> None:
        """Hand a job over."""
        self.job = job
        with contextlib.suppress(OSError):  # if it is dead, `take` will say so
            self.pipe.send(job)

    def take(self) -> Outcome | str:
        """Return what the job has to tell, or how it ended; that its process died, if it did."""
        try:
            found: Outcome | str = self.pipe.recv()
            return found
        except (EOFError, OSError):
            self.died = True
            self.process.join(timeout=10)
            return Outcome(self.job, _death(self.process.exitcode), 0.0)

    def end(self) -> None:
        """End the process, whatever it is doing."""
        self.pipe.close()
        self.process.terminate()
        self.process.join(timeout=10)
        if self.process.is_alive():
            self.process.kill()
            self.process.join()


@contextlib.contextmanager
def _without_ctrl_c() -> Iterator[None]:
    """Let processes start with Ctrl-C blocked: their imports, seconds long, come before `_work`.

    Here it is not lost, it comes when this ends.
    """
    if not hasattr(signal, "pthread_sigmask"):  # no POSIX system
        yield
        return
    resource_tracker.ensure_running()  # its start, otherwise amid this, unblocks the signal
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _death(code: int | None) -> str:
    if code is not None and code < 0:
        name = signal.Signals(-code).name
        hint = ": out of memory? Try fewer --jobs" if -code == signal.SIGKILL else ""
        return f"its process was ended by {name}{hint}"
    return f"its process ended with status {code}"


def _work(pipe: Any, threads: int) -> None:
    """Do jobs until the pipe is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all; the parent decides
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGINT])
    threading.Thread(target=_end_with_parent, daemon=True).start()
    import torch

    from plp.registry import COMPONENTS
    from plp.sweeps.compare.key import Keys

    torch.set_num_threads(threads)
    for registry in COMPONENTS.values():
        registry.import_from_location()  # before the digest of the code is taken
    keys = Keys()
    while True:
        try:
            job = pipe.recv()
        except EOFError:
            return
        pipe.send(execute(job, keys, own_streams=True, tell=pipe.send))


def _end_with_parent() -> None:
    parent = parent_process()
    if parent is not None:
        connection.wait([parent.sentinel])
        os._exit(1)
