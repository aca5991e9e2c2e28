"""Export: trace, write, read back, compare, and only then give the file its name."""

import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from torch.export import ExportedProgram

from plp.checks import check_integer
from plp.errors import ConfigError, DataError
from plp.export.check import Check, Run, check
from plp.export.description import describe
from plp.export.onnx_file import check_onnx_packages, open_onnx, save_onnx
from plp.export.program import ClassifierProgram
from plp.export.torch_file import open_torch, save_torch
from plp.export.trace import trace
from plp.files import write_atomically, write_text
from plp.inference.classifier import Classifier
from plp.inference.images import as_images, decode
from plp.inference.prediction import Unreadable
from plp.progress import ticking
from plp.scoring.validation import scores_of

_MOST_NAMED = 10  # images that cannot be read

logger = logging.getLogger("plp")


class Exported(NamedTuple):
    """An exported classifier.

    Attributes:
        path: The file.
        description: The JSON file beside it; the same text is inside the file.
        bytes: Size of the file.
        checked: How it compares with the classifier it was made of.
        unreadable: Images it was to be compared on that could not be read.
    """

    path: Path
    description: Path
    bytes: int
    checked: Check
    unreadable: tuple[Unreadable, ...] = ()

    def describe(self) -> str:
        """Return size, difference and speed in a sentence."""
        found = self.checked
        merging = (
            ""
            if found.merging is None
            else f"; low-rank updates are merged: {found.merging:.1g} from unmerged"
        )
        return (
            f"{self.path}: {self.bytes / 1e6:.1f} MB, largest difference from torch "
            f"{found.difference:.1g} on {found.images} images{merging}, "
            f"{found.speed:.1f} images per second (torch {found.torch_speed:.1f})"
        )


def export_onnx(
    classifier: Classifier, path: str | Path, images: Any = None, *, iterations: int | None = None
) -> Exported:
    """Write a classifier as ONNX, checked in onnxruntime.

    Args:
        classifier: A loaded classifier; it is not changed.
        path: The file, which ends in `.onnx`; an old one is replaced when the new one is whole.
        images: Real images to check it on, beside noise; as `Classifier.predict` takes them.
        iterations: Sinkhorn iterations; see `ClassifierProgram`.

    Raises:
        ConfigError: for a path that does not end in `.onnx`, packages that are missing, or a method
            whose texts depend on the image.
        ExportError: if it cannot be traced, or its numbers differ by more than 1e-4.

    Example:
        >>> import plp
        >>> clf = plp.load("work_dirs/sotglp/lite_16shot/textile_16shot_seed1")  # doctest: +SKIP
        >>> print(export_onnx(clf, "textile.onnx").describe())  # doctest: +SKIP
        textile.onnx: 20.5 MB, largest difference from torch ...
    """
    check_onnx_packages()

    def save(traced: ExportedProgram, to: Path, text: str, program: ClassifierProgram) -> None:
        save_onnx(traced, to, text, program.output_names)

    format_of(path, "onnx")
    return _export(classifier, Path(path), images, iterations, save, open_onnx)


def export_program(
    classifier: Classifier, path: str | Path, images: Any = None, *, iterations: int | None = None
) -> Exported:
    """Write a classifier as a program of `torch.export`, which runs without plp.

    Args:
        classifier: A loaded classifier; it is not changed.
        path: The file, which ends in `.pt2`; an old one is replaced when the new one is whole.
        images: Real images to check it on, beside noise; as `Classifier.predict` takes them.
        iterations: Sinkhorn iterations; see `ClassifierProgram`.

    Raises:
        ConfigError: for a path that does not end in `.pt2`, or a method whose texts depend on the
            image.
        ExportError: if it cannot be traced, or its numbers differ by more than 1e-4.
    """

    def save(traced: ExportedProgram, to: Path, text: str, program: ClassifierProgram) -> None:
        save_torch(traced, to, text)

    format_of(path, "torch")
    return _export(classifier, Path(path), images, iterations, save, open_torch)


FORMATS = {"onnx": export_onnx, "torch": export_program}
SUFFIXES = {".onnx": "onnx", ".pt2": "torch"}


def format_of(path: str | Path, wanted: str | None = None) -> str:
    """Return the format that a file's name ends in.

    Args:
        path: The file.
        wanted: The format it should be; None for either.

    Raises:
        ConfigError: for another ending, or that of another format.

    Example:
        >>> format_of("birds.onnx")
        'onnx'
    """
    found = SUFFIXES.get(Path(path).suffix)
    if found is None or wanted not in (None, found):
        fitting = [suffix for suffix, name in SUFFIXES.items() if wanted in (None, name)]
        raise ConfigError(
            f"expected a file name that ends in {' or '.join(fitting)}, got {Path(path).name!r}"
        )
    return found


def export(
    classifier: Classifier, path: str | Path, images: Any = None, *, iterations: int | None = None
) -> Exported:
    """Write a classifier in the format that the file's name ends in; see `export_onnx`."""
    return FORMATS[format_of(path)](classifier, path, images, iterations=iterations)


def _export(
    classifier: Classifier,
    path: Path,
    images: Any,
    iterations: int | None,
    save: Callable[[ExportedProgram, Path, str, ClassifierProgram], None],
    opened: Callable[[Path], Run],
) -> Exported:
    _check_iterations(iterations)
    # What cannot be read is told before the long work.
    readable, unreadable = _sorted_out(classifier, images)
    score = scores_of(classifier.learner)[classifier.score]
    threshold = classifier.rejection.threshold
    program = ClassifierProgram(classifier.learner, score, threshold, iterations)
    text = json.dumps(describe(classifier, program), indent=2, ensure_ascii=False)
    logger.info("tracing the program, which takes a while; then it is written, read back, compared")
    checked: list[Check] = []
    with ticking("tracing"):
        traced = trace(program)

    def write(temporary: Path) -> None:
        save(traced, temporary, text, program)
        checked.append(check(classifier, opened(temporary), readable or None))

    with ticking("writing and comparing"):
        write_atomically(path, write, follow=True)
    beside = write_text(path.with_name(f"{path.name}.json"), text + "\n", follow=True)
    return Exported(path, beside, path.stat().st_size, checked[0], tuple(unreadable))


def _sorted_out(classifier: Classifier, images: Any) -> tuple[list[Any], list[Unreadable]]:
    """Return the images that can be read, and the others.

    Raises:
        DataError: if none can.
    """
    readable: list[Any] = []
    unreadable: list[Unreadable] = []
    for named in [] if images is None else as_images(images):
        try:
            decode(named, classifier.reading)
            readable.append(named.image)
        except DataError as error:
            unreadable.append(Unreadable(named.name, str(error)))
    told = "; ".join(one.reason for one in unreadable[:_MOST_NAMED])
    if len(unreadable) > _MOST_NAMED:
        told += f"; and {len(unreadable) - _MOST_NAMED} more"
    total = len(readable) + len(unreadable)
    if unreadable and not readable:
        raise DataError(f"none of {total} images to compare on can be read: {told}")
    if unreadable:
        logger.warning(
            "%d of %d images cannot be read, the program is compared on the others: %s",
            len(unreadable), total, told,
        )  # fmt: skip
    return readable, unreadable


def _check_iterations(iterations: int | None) -> None:
    if iterations is not None:
        check_integer("iterations", iterations)
