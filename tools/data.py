"""See `python tools/data.py --help`."""

import sys

from plp.cli.data import main
from plp.cli.options import run_tool

if __name__ == "__main__":
    sys.exit(run_tool(main))
