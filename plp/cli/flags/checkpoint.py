"""The flags that say which trained classifier is meant, and how it is loaded."""

import argparse

from plp.cli.flags.known import RECALL


def add_classifier(flags: argparse.ArgumentParser) -> None:
    """Add the flags that say which classifier, where it computes, and what it looks at."""
    add_checkpoint(flags)
    flags.add_argument("images", nargs="+", help="files, folders, patterns such as 'new/*.jpg'")


def add_checkpoint(flags: argparse.ArgumentParser) -> None:
    """Add the flags that say which classifier, and where it computes."""
    flags.add_argument("checkpoint", help="work directory of a run, or its model.safetensors")
    flags.add_argument("--device", help="such as cpu or cuda:1; default: a GPU if there is one")
    flags.add_argument(
        "--pretrained", metavar="FILE",
        help="weights of the backbone, if they are not where they were in training",
    )  # fmt: skip
    flags.add_argument(
        "--score", help="out-of-distribution score; default: GlobalLocalMCM, or MCM without patches"
    )
    flags.add_argument(
        "--recall", type=float, default=RECALL, metavar="R",
        help=f"share of in-distribution images to accept (default {RECALL})",
    )  # fmt: skip
    flags.add_argument(
        "--trust-code", action="store_true",
        help="import the modules that the checkpoint's config names",
    )  # fmt: skip
    flags.add_argument(
        "--trust-header", action="store_true",
        help="open the files, folders and repositories that the checkpoint's header names",
    )  # fmt: skip
