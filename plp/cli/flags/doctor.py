"""Say what plp finds on this machine: versions, devices, networks, data sets, caches.

It never fails: what cannot be looked up is told in its place. Nothing is downloaded.
"""

import argparse
import os

from plp.cli.flags.parser import Flags


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command's flags."""
    flags = Flags(description=__doc__)
    flags.add_argument(
        "--data-root", default=os.environ.get("PLP_DATA_ROOT"), metavar="DIR",
        help="folder above the folders of data sets; default: $PLP_DATA_ROOT",
    )  # fmt: skip
    return flags
