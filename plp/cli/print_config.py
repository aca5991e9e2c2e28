"""Print the config of a run as it would be used: `plp config`."""

import json
from collections.abc import Sequence

from plp.cli.flags.print_config import parser
from plp.cli.options import choices_of
from plp.config.load import choose, load_config


def main(argv: Sequence[str] | None = None) -> None:
    """Parse flags, print the config."""
    arguments = parser().parse_args(argv)
    config, _, _ = choose(load_config(arguments.config), choices_of(arguments))
    print(json.dumps(config.to_dict(), indent=2, ensure_ascii=False))
