"""Print the config of a run as it would be used: flags, recipe and options applied.

The output is JSON and a config file itself: `print_config.py ... > mine.json`.
"""

import argparse
import json
from collections.abc import Sequence

from plp.cli.options import add_choices, choices_of
from plp.engine.config import choose, load_config


def main(argv: Sequence[str] | None = None) -> None:
    """Parse flags, print the config."""
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("config", help="config file")
    add_choices(parser)
    arguments = parser.parse_args(argv)
    config, _, _ = choose(load_config(arguments.config), choices_of(arguments))
    print(json.dumps(config.to_dict(), indent=2, ensure_ascii=False))
