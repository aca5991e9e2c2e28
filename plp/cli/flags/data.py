"""List, check and download the field's datasets, in the folders that CoOp gives them."""

import argparse

from plp.cli.flags.parser import Flags


def parser() -> argparse.ArgumentParser:
    """Return the parser of the tool's flags."""
    flags = Flags(description=__doc__)
    commands = flags.add_subparsers(dest="command", required=True)
    commands.add_parser("list", help="name, folder, classes and images of each set")
    check = commands.add_parser("check", help="what is there, what is missing, what to do")
    check.add_argument(
        "names",
        nargs="*",
        metavar="NAME",
        help="default: all, in a table; 'folder': --root is a folder of your own",
    )
    check.add_argument("--read", action="store_true", help="decode every image, too")
    fetch = commands.add_parser("download", help="get images, where torchvision can")
    fetch.add_argument("names", nargs="+", metavar="NAME")
    for command in (check, fetch):
        command.add_argument("--root", required=True, help="data root: the folder above the sets")
    return flags
