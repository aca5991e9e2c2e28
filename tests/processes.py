"""Child processes for tests: from a server that has one thread, never a fork of pytest's process.

A fork of a process whose OpenMP threads are up waits for threads that it does not have.
"""

import multiprocessing
import os
import signal
import subprocess
import sys
from pathlib import Path

context = multiprocessing.get_context("forkserver")
context.set_forkserver_preload(["torch", "plp.cli.train"])


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
    """Run a script in several processes of one thread each, and wait for the end of all."""
    launch = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", str(processes)]
    meet = ["--rdzv-backend", "c10d", "--rdzv-endpoint", "localhost:0"]  # at any free port
    return subprocess.run(
        [*launch, *meet, str(script), *map(str, arguments)],
        env={**os.environ, "OMP_NUM_THREADS": "1", **environment},
        capture_output=True, text=True, timeout=240, check=False,
    )  # fmt: skip
