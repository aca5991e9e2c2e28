"""Export a trained classifier as one file: image in, class probabilities and OOD score out.

The file ends in .onnx (onnxruntime and others) or .pt2 (torch.export). It is compared with the
classifier before it gets its name. Beside it NAME.json says how to prepare an image; the same text
is in the file. docs/export.md has a script that runs it without plp.
"""

import argparse
from collections.abc import Sequence

from plp.cli.predict import add_checkpoint, load_asked
from plp.engine.places import check_file_target
from plp.export.onnx_file import check_onnx_packages
from plp.export.write import FORMATS, format_of
from plp.inference import list_images


def main(argv: Sequence[str] | None = None) -> None:
    """Parse flags, load, export, say what came of it."""
    arguments = parser().parse_args(argv)
    name = format_of(arguments.out, arguments.format)
    if name == "onnx":
        check_onnx_packages()
    for place in (arguments.out, f"{arguments.out}.json"):
        check_file_target(place, "--out")
    images = None if arguments.check is None else list_images(arguments.check)
    classifier = load_asked(arguments)
    print(classifier.rejection.describe())
    made = FORMATS[name](classifier, arguments.out, images, iterations=arguments.iterations)
    print(made.describe())
    print(f"{made.description}: classes, preprocessing and threshold, for who has no plp")


def parser() -> argparse.ArgumentParser:
    """Return the parser of the tool's flags."""
    flags = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    add_checkpoint(flags)
    flags.add_argument("--out", required=True, metavar="FILE", help="NAME.onnx or NAME.pt2")
    flags.add_argument(
        "--format", choices=tuple(FORMATS), help="default: what --out ends in says it"
    )
    flags.add_argument(
        "--check", nargs="+", metavar="IMAGES",
        help="compare on these images too: files, folders, patterns",
    )  # fmt: skip
    flags.add_argument(
        "--iterations", type=int, metavar="N",
        help="Sinkhorn iterations; default: 20, or 1 / epsilon where that is more",
    )  # fmt: skip
    return flags
