"""Run a protocol: train what is missing, test it elsewhere, write tables.

few-shot        accuracy over numbers of shots, datasets and their average
base-to-new     train on the first half of the classes, test both halves, each among its own
cross-dataset   train on one dataset, test on others by their class names and templates
domain          train on one dataset, test on shifted copies of it (the same classes, or some)
ood             train, then tell test images from those of other sets

Runs are those of tools/compare.py and count as done by the same rules: the same command goes on
after an interruption.
"""

import argparse

from plp.cli.flags.compare import add_comparison
from plp.cli.flags.parser import Flags
from plp.cli.options import check_backbone
from plp.config.choices import PROTOCOLS

FEW_SHOT = "few-shot"


def parser() -> argparse.ArgumentParser:
    """Return the parser of the tool's flags."""
    flags = Flags(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    flags.add_argument("protocol", choices=(FEW_SHOT, *PROTOCOLS))
    add_comparison(flags, out="work_dirs/protocol", default_shots=True)
    flags.add_argument(
        "--targets", nargs="+", default=(), metavar="NAME[=ROOT]",
        help="cross-dataset, domain: datasets to test on, as --datasets",
    )  # fmt: skip
    flags.add_argument(
        "--ood", nargs="+", default=(), metavar="NAME[=ROOT]|FILE",
        help="ood: out-of-distribution sets, as tools/ood.py takes them",
    )  # fmt: skip
    flags.add_argument(
        "--near", nargs="+", default=(), metavar="NAME", help="sets that are near-OOD; others: far"
    )
    return flags


check = check_backbone
