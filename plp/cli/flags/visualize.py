"""Draw which patches of images speak for a class, prompt by prompt.

For each image: NAME.png (support, plan and similarities of each prompt), NAME_classes.png (the
class beside its strongest rival), NAME_plans.png (the plans of both as matrices); sheet.png with a
row per image. Only methods with a LocalBranch compare patches, such as sotglp, gallop and plot.
"""

import argparse

from plp.cli.flags.checkpoint import add_classifier, check_checkpoint
from plp.cli.flags.parser import Flags


def parser() -> argparse.ArgumentParser:
    """Return the parser of the tool's flags."""
    flags = Flags(description=__doc__)
    add_classifier(flags)
    flags.add_argument(
        "--class", dest="class_name", metavar="NAME",
        help="class to explain; default: the predicted one of each image",
    )  # fmt: skip
    flags.add_argument("--branch", help="branch that compares patches; default: the first")
    flags.add_argument("--out", required=True, metavar="DIR", help="folder of the pictures")
    return flags


check = check_checkpoint
