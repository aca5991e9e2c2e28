"""List the registered components, a line each: what a config can plug together."""

import argparse

from plp.cli.flags.known import KINDS
from plp.cli.flags.parser import Flags


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command's flags."""
    flags = Flags(description=__doc__)
    flags.add_argument(
        "kinds", nargs="*", metavar="KIND", help=f"of these kinds only: {', '.join(KINDS)}"
    )
    return flags
