"""See `python tools/print_config.py --help`."""

import sys

from plp.cli.options import run_tool
from plp.cli.print_config import main

if __name__ == "__main__":
    sys.exit(run_tool(main))
