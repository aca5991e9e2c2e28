"""Flags that the tools share, and how a tool ends."""

import argparse
import contextlib
import io
import logging
import os
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import TextIO, cast

from plp.cli.cfg_options import CfgOptions
from plp.config.choices import AMP, Choices
from plp.errors import ConfigError, Interrupted, PlpError, describe_os_error
from plp.printable import PlainStream
from plp.zoo import find_backbone

REFUSED, INTERRUPTED, READER_LEFT = 2, 130, 141
_NO_MEMORY = re.compile(r"out of memory|can't allocate memory|not enough memory", re.IGNORECASE)
_WORKER_DIED = re.compile(r"DataLoader worker .* (killed by signal|exited unexpectedly)")


def add_choices(parser: argparse.ArgumentParser) -> None:
    """Add the flags that say what differs from the config."""
    parser.add_argument(
        "--dataset", help="dataset, such as textile, folder, coop, dtd (all: tools/data.py list)"
    )
    parser.add_argument(
        "--data-root", help="folder of the dataset; of the field's, such as dtd, the one above"
    )
    parser.add_argument("--shots", type=int, help="training images per class")
    parser.add_argument("--seed", type=int, help="seed of the draw, the start and the training")
    add_test_fraction(parser)
    add_settings(parser)


def add_test_fraction(parser: argparse.ArgumentParser) -> None:
    """Add the flag that says how many images of a folder are kept for the test."""
    parser.add_argument(
        "--test-fraction", type=float, metavar="F",
        help="share of images kept for the test, of a folder without train/ and test/; default 0.5",
    )  # fmt: skip


def add_training(parser: argparse.ArgumentParser) -> None:
    """Add the flags about training by gradient."""
    parser.add_argument(
        "--epochs", type=int, metavar="N", help="epochs (train_cfg.max_epochs of the config)"
    )
    parser.add_argument(
        "--lr", type=float, metavar="R",
        help="learning rate (optim_wrapper.optimizer.lr of the config)",
    )  # fmt: skip
    parser.add_argument(
        "--val", action="store_true",
        help="test the epoch that is best on the validation images, of those that are validated "
        "(train_cfg.val_interval), in place of the last (selection='val' of the config)",
    )  # fmt: skip


def add_settings(parser: argparse.ArgumentParser) -> None:
    """Add the flags that do not say which data a run is about."""
    parser.add_argument("--amp", choices=tuple(AMP), help="mixed precision of the towers")
    add_backbone(parser)
    parser.add_argument("--device", help="such as cpu or cuda:1; default: a GPU if there is one")
    parser.add_argument(
        "--cfg-options", nargs="+", action=CfgOptions, metavar="KEY=VALUE",
        help="replace entries of the config, such as model.backbone.pretrained=FILE",
    )  # fmt: skip


def add_backbone(parser: argparse.ArgumentParser) -> None:
    """Add the flag that says which backbone takes the place of the config's own."""
    parser.add_argument(
        "--backbone", metavar="NAME",
        help="backbone in place of the config's own: a short name such as siglip2-b16 (all: `plp "
        "list --backbones`), ARCH:TAG of open_clip, hf-hub:ORG/NAME, local-dir:FOLDER, "
        "transformers:ORG/NAME, timm:NAME; nothing else changes",
    )  # fmt: skip


def check_backbone(arguments: argparse.Namespace) -> None:
    """Refuse a name of `--backbone` that means nothing.

    Raises:
        PlpError: with the nearest names.
    """
    if arguments.backbone is not None:
        options = arguments.cfg_options or {}
        find_backbone(arguments.backbone, weights=options.get("model.backbone.pretrained", ""))


def choices_of(arguments: argparse.Namespace) -> Choices:
    """Collect the flags of `add_choices`, and those of `add_training` where they were added."""
    given = {key: value for key, value in vars(arguments).items() if key in Choices._fields}
    return Choices(**given, options=arguments.cfg_options)


def run_tool(
    main: Callable[[Sequence[str] | None], None],
    argv: Sequence[str] | None = None,
    prints_data: bool = False,
) -> int:
    """Run a tool; return its exit status.

    A user's mistake, and what the system refuses (no room, no permission, no memory), is told in
    one message with status 2, an interrupt with status 130; see docs/errors.md. Set
    `PLP_TRACEBACK=1` to see where a message comes from.

    Args:
        main: The tool.
        argv: Its flags; None for those of the process.
        prints_data: Whether standard output is the tool's result, so that the log must not be.
    """
    with _logging(prints_data):
        try:
            _refuse_empty(sys.argv[1:] if argv is None else argv)
            main(argv)
            sys.stdout.flush()
        except BrokenPipeError:  # who reads us has seen enough, as in `plp predict ... | head`
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return READER_LEFT
        except (PlpError, OSError, MemoryError, RuntimeError) as error:
            message = message_of(error)
            if message is None or os.environ.get("PLP_TRACEBACK"):
                raise
            print(f"error: {message}", file=sys.stderr)
            return REFUSED
        except KeyboardInterrupt as error:
            print(str(error) or Interrupted.USUAL, file=sys.stderr)
            return INTERRUPTED
    return 0


@contextlib.contextmanager
def _logging(prints_data: bool) -> Iterator[None]:
    """Show plp's log, beside data on standard error; what a terminal cannot show is escaped."""
    for one in (sys.stdout, sys.stderr):
        if isinstance(one, io.TextIOWrapper):
            one.reconfigure(errors="backslashreplace")
    logger = logging.getLogger("plp")
    logger.setLevel(logging.INFO)
    with _without_controls():
        handler = logging.StreamHandler(sys.stderr if prints_data else sys.stdout)
        logger.addHandler(handler)
        logger.propagate = False
        for noisy in ("open_clip", "httpx", "huggingface_hub", "root", "PIL"):
            logging.getLogger(noisy).setLevel(logging.WARNING)
        try:
            yield
        finally:
            logger.removeHandler(handler)


@contextlib.contextmanager
def _without_controls() -> Iterator[None]:
    """Let no control character of a name, a log line or an error reach the terminal."""
    out, error = PlainStream(sys.stdout), PlainStream(sys.stderr)
    with (
        contextlib.redirect_stdout(cast(TextIO, out)),
        contextlib.redirect_stderr(cast(TextIO, error)),
    ):
        yield


def _refuse_empty(argv: Sequence[str]) -> None:
    """Refuse empty arguments: as a path they would mean the current folder.

    Raises:
        ConfigError: naming the argument before it.
    """
    for place, one in enumerate(argv):
        if not one.strip() or re.fullmatch(r"--[\w-]+=\s*", one):
            flag = one.strip() or (argv[place - 1] if place else "the start")
            raise ConfigError(
                f"expected a value, got an empty text at {flag}. Is a variable of the shell unset?"
            )


def message_of(error: Exception) -> str | None:
    """Return what to tell a user about an error; None for a mistake in the program."""
    if isinstance(error, OSError) and error.errno is not None:
        return describe_os_error(error)
    if isinstance(error, PlpError | OSError):
        return plain_message(error)
    first = str(error).partition("\n")[0]
    said = f" ({first})" if first else ""
    if isinstance(error, MemoryError) or _NO_MEMORY.search(str(error)):
        return (
            "out of memory. Lower data.batch_size and data.eval_batch_size, --batch-size of "
            f"`plp predict`, or data.num_workers{said}"
        )
    if _WORKER_DIED.search(str(error)):
        return f"a process that decodes images has died. Lower data.num_workers{said}"
    return None


def plain_message(error: Exception) -> str:
    r"""Return the message of an error, without the traceback that torch puts around one that comes
    from a worker process of a loader.

    Example:
        >>> traced = "Caught DataError in DataLoader worker process 0.\nOriginal Traceback (most "
        >>> traced += "recent call last):\n  File x\nplp.errors.DataError: 'a.jpg' is no image\n"
        >>> plain_message(ValueError(traced))
        "'a.jpg' is no image"
    """
    message = str(error)
    if "Original Traceback (most recent call last):" not in message:
        return message
    found = re.findall(r"^[\w.]*Error: (.*)$", message, re.MULTILINE)
    return found[-1] if found else message
