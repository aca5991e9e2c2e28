"""See `python tools/test.py --help`."""

import sys

from plp.cli.options import run_tool
from plp.cli.test import main

if __name__ == "__main__":
    sys.exit(run_tool(main))
