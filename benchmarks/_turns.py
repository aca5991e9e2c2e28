"""The plp of two commits, each in a process of its own, measured in turns."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, Any

from _bench import result_of


@contextmanager
def tree_of(commit: str) -> Iterator[Path]:
    """Unpack a commit's `plp` and `configs` into a folder, for the time of a block.

    Raises:
        SystemExit: for a commit that git does not have.
    """
    command = ["git", "archive", commit, "plp", "configs"]
    own = Path(__file__).parents[1]
    packed = subprocess.run(command, cwd=own, capture_output=True, check=False)
    if packed.returncode:
        raise SystemExit(f"cannot take {commit} out of git: {packed.stderr.decode().strip()}")
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(["tar", "-x"], cwd=folder, input=packed.stdout, check=True)
        yield Path(folder)


def measure_in_turns(
    script: str, job: Mapping[str, Any], trees: Sequence[Path]
) -> list[dict[str, Any]]:
    """Measure the plp of several trees by one script, a step of each after the other.

    What else the machine does then slows all of them alike.

    Args:
        script: Path of the benchmark, whose steps wait for `my_turn`.
        job: Arguments of its `measure`; it makes `repeats` steps.
        trees: Folders with a `plp` and `configs`.
    """
    with ExitStack() as stack:
        takers = [stack.enter_context(_Taker(script, job, tree)) for tree in trees]
        for taker in takers:
            taker.wait()
        for _ in range(job["repeats"]):
            for taker in takers:
                taker.give_turn()
        return [taker.result() for taker in takers]


def my_turn() -> None:
    """Wait for the turn of this process, which is a line; end where nobody gives turns any more."""
    print(flush=True)
    if not sys.stdin.readline():
        raise SystemExit("nobody gives turns")


class _Taker:
    """A process that measures one tree."""

    def __init__(self, script: str, job: Mapping[str, Any], tree: Path) -> None:
        path = os.pathsep.join([str(tree), *filter(None, [os.environ.get("PYTHONPATH")])])
        self.environment = {**os.environ, "PYTHONPATH": path, "PLP_MEASURED_TREE": str(tree)}
        self.command = [sys.executable, script, "--job", json.dumps({**job, "turns": True})]

    def __enter__(self) -> "_Taker":
        self.complaints: IO[str] = tempfile.TemporaryFile("w+")  # a pipe could fill up
        self.process = subprocess.Popen(
            self.command, env=self.environment, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.complaints,
        )  # fmt: skip
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.communicate()
        self.complaints.close()

    def wait(self) -> None:
        """Wait until the process waits, has found its numbers, or has ended."""
        self.last = self.process.stdout.readline()

    def give_turn(self) -> None:
        if self.process.poll() is None:
            self.process.stdin.write("\n")
            self.process.stdin.flush()
            self.wait()

    def result(self) -> dict[str, Any]:
        status = self.process.wait()
        self.complaints.seek(0)
        return result_of(status, self.last, self.complaints.read())
