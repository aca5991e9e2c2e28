"""Child processes for tests: from a server that has one thread, never a fork of pytest's process.

A fork of a process whose OpenMP threads are up waits for threads that it does not have.
"""

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from torch.distributed import TCPStore

from plp.cli import train
from plp.cli.options import run_tool

_LIMIT = 400  # seconds; a run of two processes took 150 where twelve others wanted two cores

context = multiprocessing.get_context("forkserver")
context.set_forkserver_preload(["torch", "plp.cli.train"])


class Ended(NamedTuple):
    """How a process ended, and all it printed."""

    code: int
    printed: str


def start(root: Path, *argv: object, **options: object) -> subprocess.Popen:
    """Start a command as a terminal does; what runs in a shell's background ignores Ctrl-C."""
    return subprocess.Popen(
        list(map(str, argv)), cwd=root, text=True, stdout=subprocess.PIPE,
        **{"stderr": subprocess.STDOUT, **options},
        start_new_session=True, env={**os.environ, "PYTHONUTF8": "1"},
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )  # fmt: skip


def torchrun(
    processes: int, script: Path, *arguments: object, **environment: str
) -> subprocess.CompletedProcess:
    """Run a script in several processes of one thread each, and wait for the end of all.

    Those that hang are made to say where they are: the error then ends with their stacks.
    """
    launch = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", str(processes)]
    meet = ["--rdzv-backend", "c10d", "--rdzv-endpoint", "localhost:0"]  # at any free port
    meet += ["--local-addr", "127.0.0.1"]  # whatever the machine's name leads to
    started = subprocess.Popen(
        [*launch, *meet, str(script), *map(str, arguments)],
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONFAULTHANDLER": "1", **environment},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        out, err = started.communicate(timeout=_LIMIT)
    except subprocess.TimeoutExpired:
        for worker in _children(started.pid):
            os.kill(worker, signal.SIGABRT)  # which the fault handler answers with a stack
        started.terminate()
        out, err = started.communicate(timeout=60)
        raise AssertionError(f"not done after {_LIMIT} s\n{out[-2000:]}\n{err[-8000:]}") from None
    return subprocess.CompletedProcess(started.args, started.returncode, out, err)


def together(processes: int, folder: Path, argv: Sequence[str]) -> list[Ended]:
    """Train in several processes of one thread each, as torchrun starts them but with imports done.

    Nothing stops the others where one fails: they have to end by themselves.

    Args:
        processes: How many.
        folder: Where they run, and leave what they print.
        argv: Of tools/train.py.
    """
    store = TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)
    started = [
        context.Process(target=_be_one, args=(rank, processes, store.port, folder, argv))
        for rank in range(processes)
    ]
    for one in started:
        one.start()
    deadline = time.monotonic() + _LIMIT
    try:
        for one in started:
            one.join(max(deadline - time.monotonic(), 0))
        codes = [one.exitcode for one in started]
    finally:
        for one in started:
            one.kill()
    printed = [_log(folder, rank).read_text() for rank in range(processes)]
    assert None not in codes, f"{codes} after {_LIMIT} s\n" + "\n".join(printed)[-8000:]
    return list(map(Ended, codes, printed))


def _be_one(rank: int, processes: int, port: int, folder: Path, argv: Sequence[str]) -> None:
    """Be a process of `together`."""
    with open(_log(folder, rank), "w", encoding="utf-8") as log:
        for stream in (1, 2):
            os.dup2(log.fileno(), stream)
    where = dict(MASTER_ADDR="127.0.0.1", MASTER_PORT=port, TORCHELASTIC_USE_AGENT_STORE=True)
    which = dict(RANK=rank, LOCAL_RANK=rank, WORLD_SIZE=processes, LOCAL_WORLD_SIZE=processes)
    os.environ.update({name: str(value) for name, value in {**where, **which}.items()})
    os.chdir(folder)
    torch.set_num_threads(1)
    sys.exit(run_tool(train.main, [*argv, "--launcher", "pytorch"]))


def _log(folder: Path, rank: int) -> Path:
    return folder / f"printed_by_{rank}.txt"


def _children(process: int) -> list[int]:
    """Return the processes that one has started, where the system lists them."""
    place = Path(f"/proc/{process}/task/{process}/children")
    return [int(one) for one in place.read_text().split()] if place.exists() else []
