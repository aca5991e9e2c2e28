"""Export a trained classifier as one file: image in, class probabilities and OOD score out.

The file ends in .onnx (onnxruntime and others) or .pt2 (torch.export). It is compared with the
classifier before it gets its name. Beside it NAME.json says how to prepare an image; the same text
is in the file. docs/export.md has a script that runs it without plp.
"""

import argparse

from plp.cli.flags.checkpoint import add_checkpoint, check_checkpoint
from plp.cli.flags.known import PROGRAMS
from plp.cli.flags.parser import Flags


def parser() -> argparse.ArgumentParser:
    """Return the parser of the tool's flags."""
    flags = Flags(description=__doc__)
    add_checkpoint(flags)
    flags.add_argument("--out", required=True, metavar="FILE", help="NAME.onnx or NAME.pt2")
    flags.add_argument("--format", choices=PROGRAMS, help="default: what --out ends in says it")
    flags.add_argument(
        "--check", nargs="+", metavar="IMAGES",
        help="compare on these images too: files, folders, patterns",
    )  # fmt: skip
    flags.add_argument(
        "--iterations", type=int, metavar="N",
        help="Sinkhorn iterations; default: 20, or 1 / epsilon where that is more",
    )  # fmt: skip
    return flags


check = check_checkpoint
