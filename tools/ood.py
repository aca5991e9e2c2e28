"""See `python tools/ood.py --help`."""

import sys

from plp.cli.ood import main
from plp.cli.options import run_tool

if __name__ == "__main__":
    sys.exit(run_tool(main))
