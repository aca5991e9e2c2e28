"""Say what plp finds on this machine: versions, devices, networks, datasets, caches.

It never fails: what cannot be looked up is told in its place. Nothing is downloaded, and no network
is asked but with --hub.
"""

import argparse
import os

from plp.cli.flags.parser import Flags


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command's flags."""
    flags = Flags(description=__doc__)
    flags.add_argument(
        "--data-root", default=os.environ.get("PLP_DATA_ROOT"), metavar="DIR",
        help="folder above the folders of datasets; default: $PLP_DATA_ROOT",
    )  # fmt: skip
    flags.add_argument(
        "--hub", action="store_true", help="find out whether the model hub can be reached"
    )
    return flags
