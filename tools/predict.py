"""See `python tools/predict.py --help`; the same as `plp predict`."""

import sys

from plp.cli.options import run_tool
from plp.cli.predict import main

if __name__ == "__main__":
    sys.exit(run_tool(main, prints_data=True))
