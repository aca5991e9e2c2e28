"""See `python tools/export.py --help`; the same as `plp export`."""

import sys

from plp.cli.export import main
from plp.cli.options import run_tool

if __name__ == "__main__":
    sys.exit(run_tool(main))
