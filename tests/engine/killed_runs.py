"""Train in child processes that end themselves with SIGKILL at named moments.

Called by test_resume.py with one JSON argument: a list of {argv, moment}. Packages are imported
once; each run is a fork of this process. Prints how each ended, as JSON.

A moment is `["step", n, null]`, in the n-th step, or `[when, n, file]` about the n-th time that
`file` is written: 'half' after half of its temporary file, 'before' or 'after' the renaming.
"""

import json
import os
import signal
import sys
from pathlib import Path

from plp import files
from plp.cli.options import run_tool
from plp.cli.train import main
from plp.hooks import ProgressHook


def die():
    os.kill(os.getpid(), signal.SIGKILL)


def arm_step(number):
    steps = iter(range(1, number + 1))
    after_train_iter = ProgressHook.after_train_iter

    def count(hook, *args, **keywords):
        if next(steps) == number:
            die()
        after_train_iter(hook, *args, **keywords)

    ProgressHook.after_train_iter = count


def arm_file(when, number, name):
    replace, writes = os.replace, iter(range(1, 100))

    def rename(temporary, path):
        if Path(path).name != name or next(writes) != number:
            return replace(temporary, path)
        if when == "half":
            os.truncate(temporary, os.path.getsize(temporary) // 2)
        if when == "after":
            replace(temporary, path)
        return die()

    files.os.replace = rename


def run_killed(argv, moment):
    child = os.fork()
    if child == 0:
        when, number, name = moment
        arm_step(number) if when == "step" else arm_file(when, number, name)
        os._exit(run_tool(main, argv))
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status)


if __name__ == "__main__":
    ended = [run_killed(run["argv"], run["moment"]) for run in json.loads(sys.argv[1])]
    print(json.dumps(ended))
