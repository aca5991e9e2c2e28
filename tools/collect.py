"""See `python tools/collect.py --help`."""

import sys

from plp.cli.collect import main
from plp.cli.options import run_tool

if __name__ == "__main__":
    sys.exit(run_tool(main))
