"""Print the config of a run as it would be used: flags, recipe and options applied.

The output is JSON and a config file itself: `print_config.py ... > mine.json`.
"""

import argparse

from plp.cli.flags.parser import Flags
from plp.cli.options import add_choices


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command's flags."""
    flags = Flags(description=__doc__)
    flags.add_argument("config", help="config file")
    add_choices(flags)
    return flags
