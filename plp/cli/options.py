"""Flags that the tools share, and how a tool ends."""

import argparse
import logging
import os
import re
import sys
from collections.abc import Callable, Sequence
from typing import Any

from mmengine.config import DictAction

from plp.engine.config import AMP, Choices
from plp.errors import ConfigError, PlpError


class CfgOptions(DictAction):
    """Collects KEY=VALUE; refuses what has no KEY or no `=`."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,
        option_string: str | None = None,
    ) -> None:
        """Add the options to those of earlier flags."""
        for value in values:
            key, equals, _ = value.partition("=")
            if not equals or not all(key.split(".")):
                raise ConfigError(
                    f"{option_string}: expected KEY=VALUE, such as data.batch_size=8, got {value!r}"
                )
        super().__call__(parser, namespace, values, option_string)  # type: ignore[arg-type]


def add_choices(parser: argparse.ArgumentParser) -> None:
    """Add the flags that say what differs from the config."""
    parser.add_argument(
        "--dataset", help="data set, such as textile, folder, coop, dtd (all: tools/data.py list)"
    )
    parser.add_argument(
        "--data-root", help="folder of the data set; of the field's, such as dtd, the one above"
    )
    parser.add_argument("--shots", type=int, help="training images a class")
    parser.add_argument("--seed", type=int, help="seed of the draw, the start and the training")
    add_settings(parser)


def add_settings(parser: argparse.ArgumentParser) -> None:
    """Add the flags that do not say which data a run is about."""
    parser.add_argument("--amp", choices=tuple(AMP), help="mixed precision of the towers")
    parser.add_argument("--device", help="such as cpu or cuda:1; default: a GPU if there is one")
    parser.add_argument(
        "--cfg-options", nargs="+", action=CfgOptions, metavar="KEY=VALUE",
        help="replace entries of the config, such as model.backbone.pretrained=FILE",
    )  # fmt: skip


def choices_of(arguments: argparse.Namespace) -> Choices:
    """Collect the flags of `add_choices`."""
    return Choices(
        dataset=arguments.dataset,
        data_root=arguments.data_root,
        shots=arguments.shots,
        seed=arguments.seed,
        amp=arguments.amp,
        options=arguments.cfg_options,
    )


def run_tool(
    main: Callable[[Sequence[str] | None], None],
    argv: Sequence[str] | None = None,
    prints_data: bool = False,
) -> int:
    """Run a tool; return its exit status.

    A user's mistake is told in one message with status 2, an interrupt with status 130. Set
    `PLP_TRACEBACK=1` to see where a message comes from.

    Args:
        main: The tool.
        argv: Its flags; None for those of the process.
        prints_data: Whether standard output is the tool's result, so that the log must not be.
    """
    logger = logging.getLogger("plp")
    logger.setLevel(logging.INFO)
    handler = logging.StreamHandler(sys.stderr if prints_data else sys.stdout)
    logger.addHandler(handler)
    logger.propagate = False
    for noisy in ("open_clip", "httpx", "huggingface_hub", "root", "PIL"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    try:
        main(argv)
        sys.stdout.flush()
    except BrokenPipeError:  # who reads us has seen enough, as in `plp predict ... | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except (PlpError, OSError) as error:
        if os.environ.get("PLP_TRACEBACK"):
            raise
        print(f"error: {plain_message(error)}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        after = (
            ""
            if prints_data
            else ("; --resume continues from the last state saved between epochs, if any")
        )
        print(f"interrupted{after}", file=sys.stderr)
        return 130
    finally:
        logger.removeHandler(handler)
    return 0


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
