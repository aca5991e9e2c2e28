"""Gather finished runs and tests from any tree of folders into tables and figures."""

import argparse

from plp.cli.flags.parser import Flags


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command's flags."""
    flags = Flags(description=__doc__)
    flags.add_argument("folders", nargs="+", help="folders with runs anywhere below them")
    flags.add_argument("--out", required=True, help="folder of the tables")
    flags.add_argument("--methods", nargs="+", help="which, in this order; default: all")
    flags.add_argument("--datasets", nargs="+", help="which, in this order; default: all")
    flags.add_argument(
        "--score",
        help="score of the OOD tables; default: GlobalLocalMCM where there is one, or MCM; MSP "
        "without texts",
    )
    flags.add_argument(
        "--published", action=argparse.BooleanOptionalAction,
        help="tables of published numbers after ours; default: if a run is of their backbone, "
        "CLIP ViT-B/16",
    )  # fmt: skip
    return flags
