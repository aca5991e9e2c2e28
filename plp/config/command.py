"""The command that does a run, or a comparison, again."""

import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from plp.config.choices import Choices
from plp.config.values import option_words
from plp.package import FOLDER


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

    In a clone it is that of `tools/train.py`; where there is none, of the command `plp`.

    Example:
        >>> options = {'optim_wrapper.optimizer.lr': 0.1, 'data.classes': 'base'}
        >>> train_command('a b.py', Choices(shots=4, options=options))
        "python tools/train.py 'a b.py' --shots 4 --cfg-options optim_wrapper.optimizer.lr=0.1
        data.classes=base"
    """
    if not config_file:
        return None
    in_clone = (FOLDER.parent / "tools/train.py").is_file()
    words = ["python", "tools/train.py"] if in_clone else ["plp", "train"]
    if launcher == "pytorch":
        program = ["tools/train.py"] if in_clone else ["-m", "plp", "train"]
        words = ["torchrun", "--nproc-per-node", str(processes), *program]
    words.append(str(config_file))
    flags = {
        "backbone": choices.backbone, "dataset": choices.dataset, "data-root": choices.data_root,
        "shots": choices.shots, "seed": choices.seed, "test-fraction": choices.test_fraction,
        "epochs": choices.epochs, "lr": choices.lr, "amp": choices.amp, "device": device,
        "launcher": None if launcher == "none" else launcher,
    }  # fmt: skip
    for name, value in flags.items():
        words += [] if value is None else [f"--{name}", str(value)]
    words += ["--val"] if choices.val else []
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
