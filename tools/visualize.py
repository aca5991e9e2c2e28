"""See `python tools/visualize.py --help`; the same as `plp visualize`."""

import sys

from plp.cli.options import run_tool
from plp.cli.visualize import main

if __name__ == "__main__":
    sys.exit(run_tool(main))
