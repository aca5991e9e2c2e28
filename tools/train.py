"""See `python tools/train.py --help`."""

import sys

from plp.cli.options import run_tool
from plp.cli.train import main

if __name__ == "__main__":
    sys.exit(run_tool(main))
