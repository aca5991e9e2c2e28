"""The command `plp`: one door to all tools.

A new command is one line in `COMMANDS`: its name, the module whose `main(argv)` runs it, and what
`plp --help` says. Its flags are in the module of that name in `plp.cli.flags`, which imports
nothing heavy: flags are read first, then a line says that plp is starting, then torch and the rest
are imported.
"""

import atexit
import gc
import importlib
import logging
import os
import sys
from collections.abc import Sequence
from typing import NamedTuple

from plp.cli.interrupts import heeded_interrupts, kept_interrupts
from plp.errors import Interrupted, did_you_mean
from plp.package import VERSION

logger = logging.getLogger("plp")


class Command(NamedTuple):
    """A command of `plp`.

    Attributes:
        module: Module with `main(argv)`, imported when the command is called.
        summary: What it does, a line.
        prints_data: Whether standard output is the result, for other programs to read; messages
            then go to standard error.
        long: Whether it may take so long that its first line comes before torch is imported.
    """

    module: str
    summary: str
    prints_data: bool = False
    long: bool = True

    @property
    def flags(self) -> str:
        """Module with the parser of its flags."""
        return self.module.replace("plp.cli.", "plp.cli.flags.")


COMMANDS = {
    "train": Command("plp.cli.train", "train a classifier from a few images per class"),
    "test": Command("plp.cli.test", "test a checkpoint on the test images of a dataset"),
    "predict": Command("plp.cli.predict", "classify images: files, folders, patterns", True),
    "visualize": Command("plp.cli.visualize", "draw which patches speak for a class"),
    "export": Command("plp.cli.export", "write a classifier as ONNX, to run it without plp"),
    "compare": Command("plp.cli.compare", "run methods on datasets, shots and seeds; tables"),
    "protocol": Command("plp.cli.protocol", "few-shot, base-to-new, cross-dataset and others"),
    "collect": Command("plp.cli.collect", "tables and a figure of finished runs"),
    "ood": Command("plp.cli.ood", "tell test images from images of other kinds; calibration"),
    "data": Command(
        "plp.cli.data", "check, describe and download the field's datasets", long=False
    ),
    "list": Command(
        "plp.cli.listing", "registered components, or backbones by name", True, long=False
    ),
    "doctor": Command(
        "plp.cli.doctor", "versions, devices, weights and data found here", True, long=False
    ),
    "config": Command(
        "plp.cli.print_config", "print the config of a run as it would be used", True, long=False
    ),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; return its exit status."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        print(usage())
        return 0
    if arguments[0] in ("-V", "--version"):
        print(f"plp {VERSION}")
        return 0
    name, *rest = arguments
    if name not in COMMANDS:
        hint = did_you_mean(name, COMMANDS)
        print(f"error: plp has no command {name!r}.{hint} See `plp --help`", file=sys.stderr)
        return 2
    return run(name, rest)


def run(name: str, argv: Sequence[str] | None = None) -> int:
    """Run a command by its name with its flags; return its exit status."""
    called, sys.argv[0] = sys.argv[0], f"plp {name}"  # what argparse calls the program
    try:
        return tool(name, argv)
    finally:
        sys.argv[0] = called


def tool(name: str, argv: Sequence[str] | None = None) -> int:
    """Run a command as a file of `tools/` does, under the name of that file."""
    _end_promptly()
    try:
        with kept_interrupts():
            with heeded_interrupts():
                from plp.cli.options import run_tool

            command = COMMANDS[name]
            return run_tool(
                lambda words: _call(name, command, words), argv, prints_data=command.prints_data
            )
    except KeyboardInterrupt:  # before `run_tool` is there to report it
        print(Interrupted.USUAL, file=sys.stderr)
        return 130


def _end_promptly() -> None:
    """Let this process end without a last search for garbage: with torch, one of two seconds."""
    atexit.unregister(gc.freeze)  # once, however often a tool is called
    atexit.register(gc.freeze)


def _call(name: str, command: Command, argv: Sequence[str] | None) -> None:
    """Read the flags, say that plp is starting, then import what does the work."""
    with heeded_interrupts():
        flags = importlib.import_module(command.flags)
    arguments = flags.parser().parse_args(argv)
    if check := getattr(flags, "check", None):  # what is refused anyway is refused at once
        check(arguments)
    if command.long and os.environ.get("RANK", "0") == "0":  # of torchrun's processes the first
        logger.info("plp %s, %s: importing torch and the rest", VERSION, name)
    with heeded_interrupts():
        module = importlib.import_module(command.module)
    module.main(argv)


def usage() -> str:
    """Return what `plp --help` prints."""
    width = max(map(len, COMMANDS))
    lines = [f"  {name:<{width}}  {command.summary}" for name, command in COMMANDS.items()]
    return "\n".join(
        ["usage: plp COMMAND [flags]", "", *lines, "", "`plp COMMAND --help` tells the flags."]
    )
