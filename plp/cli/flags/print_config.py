"""Print the config of a run as it would be used: flags, recipe and options applied.

The output is JSON and a config file itself: `print_config.py ... > mine.json`.
"""

import argparse

from plp.cli.flags.parser import Flags
from plp.cli.options import add_choices, add_training, check_backbone
from plp.config.paths import check_config


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command's flags."""
    flags = Flags(description=__doc__)
    flags.add_argument("config", help="method, such as sotglp, or a config file")
    add_choices(flags)
    add_training(flags)
    return flags


def check(arguments: argparse.Namespace) -> None:
    """Refuse a config that is not there, and an unknown backbone."""
    check_config(arguments.config)
    check_backbone(arguments)
