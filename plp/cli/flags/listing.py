"""List the registered components, a line each: what a config can plug together.

With --backbones: the names that --backbone takes, with size, streams and licence of the weights,
and whether they lie in a local cache; nothing is downloaded or asked of a network.
"""

import argparse

from plp.cli.flags.known import KINDS
from plp.cli.flags.parser import Flags


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command's flags."""
    flags = Flags(description=__doc__, intermixed=True)
    flags.add_argument(
        "kinds", nargs="*", metavar="KIND",
        help=f"of these kinds only: {', '.join(KINDS)}; with --backbones: words that must stand in "
        "a line, such as siglip, vv, MIT, medicine, cached",
    )  # fmt: skip
    flags.add_argument(
        "--backbones",
        action="store_true",
        help="backbones with a short name in place of components",
    )
    return flags
