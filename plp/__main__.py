"""`python -m plp` is the command `plp`."""

import sys

from plp.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
