"""Compare methods: run what is missing, skip what is done, write tables and a figure.

A run counts as done if its config, its data, plp's code, torch and the other packages that decide
numbers are what they were. The same
command therefore goes on after an interruption, and runs again what a change concerns.
"""

import argparse

from plp.cli.flags.known import GROUPS
from plp.cli.flags.parser import Flags
from plp.cli.options import add_settings, add_test_fraction, add_training, check_backbone
from plp.config.choices import VARIANTS


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command's flags."""
    flags = Flags(description=__doc__)
    add_comparison(flags, out="work_dirs/compare")
    return flags


def add_comparison(parser: argparse.ArgumentParser, out: str, default_shots: bool = False) -> None:
    """Add the flags of a comparison.

    Args:
        parser: Gets them.
        out: Default of `--out`.
        default_shots: Whether `--shots` may be left out.
    """
    parser.add_argument(
        "--methods", nargs="+", required=True, metavar="METHOD",
        help="folder under configs/, folder/variant, or a config file",
    )  # fmt: skip
    parser.add_argument(
        "--datasets", nargs="+", required=True, metavar="NAME[=ROOT]",
        help="registered dataset, or a name of your own and its folder (one sub-folder per class, "
        f"or a split file in CoOp's layout); or all of a group: {', '.join(GROUPS)}",
    )  # fmt: skip
    parser.add_argument("--data-root", metavar="ROOT", help="of all datasets given without one")
    parser.add_argument("--shots", nargs="+", type=int, required=not default_shots, metavar="K")
    parser.add_argument("--seeds", nargs="+", type=int, default=[1, 2, 3], metavar="S")
    parser.add_argument(
        "--variant",
        help=f"config in a method's folder; default: {VARIANTS[0]}, or {' or '.join(VARIANTS[1:])} "
        "where none of the methods has it",
    )  # fmt: skip
    parser.add_argument("--out", default=out, help="folder of runs and tables")
    parser.add_argument(
        "--jobs", type=int, metavar="N",
        help="worker processes; default: one per CPU core; one with a GPU. 0: none, to debug",
    )  # fmt: skip
    add_training(parser)
    add_test_fraction(parser)
    add_settings(parser)
    parser.add_argument("--dry-run", action="store_true", help="show what would run")
    parser.add_argument("--table-only", action="store_true", help="write tables of what is done")
    parser.add_argument(
        "--published", action="store_true",
        help="put tables of published numbers (CLIP ViT-B/16) after ours",
    )  # fmt: skip
    parser.add_argument(
        "--read-all-images", action="store_true",
        help="read every image again; default: one whose size, times and inode are what they were "
        "counts as unchanged",
    )  # fmt: skip
    parser.add_argument(
        "--reuse-other-code", action="store_true",
        help="let runs count that differ in nothing but plp's code; they are marked",
    )  # fmt: skip


check = check_backbone
