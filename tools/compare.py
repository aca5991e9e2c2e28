"""See `python tools/compare.py --help`."""

import sys

from plp.cli.main import tool

if __name__ == "__main__":
    sys.exit(tool("compare"))
