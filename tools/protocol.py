"""See `python tools/protocol.py --help`."""

import sys

from plp.cli.options import run_tool
from plp.cli.protocol import main

if __name__ == "__main__":
    sys.exit(run_tool(main))
