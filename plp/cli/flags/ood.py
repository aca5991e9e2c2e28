"""Test how well a checkpoint tells its test images from images of other kinds."""

import argparse

from plp.cli.flags.checkpoint import add_run, check_run
from plp.cli.flags.known import OOD_SETS
from plp.cli.flags.parser import Flags
from plp.cli.options import add_choices


def parser() -> argparse.ArgumentParser:
    """Return the parser of the tool's flags."""
    flags = Flags(description=__doc__, intermixed=True)
    add_run(flags)
    add_choices(flags)
    flags.add_argument(
        "--ood", nargs="+", required=True, metavar="NAME[=ROOT]|FILE",
        help="out-of-distribution sets: a folder of images (in sub-folders or not), or a dataset "
        "in CoOp's layout, of which the test images are taken; without ROOT: one of the field's, "
        f"{', '.join(OOD_SETS)}; or a file that says which are near and which far, such as "
        "configs/_base_/ood/imagenet.py",
    )  # fmt: skip
    flags.add_argument(
        "--near", nargs="+", default=(), metavar="NAME", help="sets that are near-OOD; others: far"
    )
    flags.add_argument(
        "--scores", nargs="+", default=("all",), metavar="SCORE",
        help="registered scores such as MCM GlobalLocalMCM; default: all",
    )  # fmt: skip
    flags.add_argument("--temperature", type=float, help="of all scores that have one; default 1")
    flags.add_argument("--pooled", metavar="BRANCH", help="branch of MCM; default: global")
    flags.add_argument("--dense", metavar="BRANCH", help="branch of L-MCM; default: local")
    flags.add_argument(
        "--on-error", choices=("stop", "skip"),
        help="at an image that cannot be read: stop, or leave it out, name it and count it; "
        "default: data.on_error of the config, which is stop",
    )  # fmt: skip
    flags.add_argument(
        "--export-logits", action="store_true",
        help="also write logits and pooled features of every set as .npz (OpenOOD, pytorch-ood)",
    )  # fmt: skip
    flags.add_argument("--out", help="folder to write to; default: ood beside the checkpoint")
    return flags


check = check_run
