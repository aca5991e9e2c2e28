"""The command that does a run, or a comparison, again."""

import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from plp.engine.choices import Choices
from plp.engine.option_values import option_words


def train_command(
    config_file: str | Path | None,
    choices: Choices,
    device: str | None = None,
    launcher: str = "none",
    processes: int = 1,
) -> str | None:
    """Return the command line of a training, None for one without a config file.

    Args:
        config_file: Its config.
        choices: What differs from it.
        device: As `--device` takes it.
        launcher: As `--launcher` takes it.
        processes: How many the launcher has started.

    Example:
        >>> options = {'optim_wrapper.optimizer.lr': 0.1, 'data.classes': 'base'}
        >>> train_command('a b.py', Choices(shots=4, options=options))
        "python tools/train.py 'a b.py' --shots 4 --cfg-options optim_wrapper.optimizer.lr=0.1
        data.classes=base"
    """
    if not config_file:
        return None
    runner = ["python"]
    if launcher == "pytorch":
        runner = ["torchrun", "--nproc-per-node", str(processes)]
    words = [*runner, "tools/train.py", str(config_file)]
    flags = {
        "dataset": choices.dataset, "data-root": choices.data_root, "shots": choices.shots,
        "seed": choices.seed, "amp": choices.amp, "device": device,
        "launcher": None if launcher == "none" else launcher,
    }  # fmt: skip
    for name, value in flags.items():
        words += [] if value is None else [f"--{name}", str(value)]
    if choices.options:
        words += ["--cfg-options", *option_words(choices.options)]
    return shlex.join(words)


def tool_command(name: str, argv: Sequence[str] | None) -> str:
    """Return the command line of a tool as it was called.

    Args:
        name: Of the command of `plp`.
        argv: Its flags; None for those of the process.

    Example:
        >>> tool_command('compare', ['--methods', 'coop', '--out', 'my runs'])
        "plp compare --methods coop --out 'my runs'"
    """
    return shlex.join(["plp", name, *(sys.argv[1:] if argv is None else argv)])
