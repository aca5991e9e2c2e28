"""Export a trained classifier as one file: `plp export`."""

from collections.abc import Sequence

from plp.cli.flags.export import parser
from plp.cli.predict import load_asked, refuse_unreadable
from plp.engine.places import check_file_target
from plp.export.onnx_file import check_onnx_packages
from plp.export.write import FORMATS, format_of
from plp.inference import list_and_report


def main(argv: Sequence[str] | None = None) -> None:
    """Parse flags, load, export, say what came of it.

    Raises:
        DataError: at the end, if images to compare on could not be read.
    """
    arguments = parser().parse_args(argv)
    name = format_of(arguments.out, arguments.format)
    if name == "onnx":
        check_onnx_packages()
    for place in (arguments.out, f"{arguments.out}.json"):
        check_file_target(place, "--out")
    images = None if arguments.check is None else list_and_report(arguments.check)
    classifier = load_asked(arguments)
    print(classifier.rejection.describe())
    made = FORMATS[name](classifier, arguments.out, images, iterations=arguments.iterations)
    print(made.describe())
    print(f"{made.description}: classes, preprocessing and threshold, for use without plp")
    refuse_unreadable(made.unreadable, 0 if images is None else len(images))
