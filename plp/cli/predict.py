"""Classify images with a trained classifier: `plp predict`."""

import argparse
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from plp.api import Classifier, load
from plp.cli.flags.predict import parser
from plp.cli.rows import FORMATS
from plp.engine.places import check_file_target
from plp.engine.transport import transport_notes, watching_transport
from plp.errors import ConfigError, DataError
from plp.files import write_atomically
from plp.inference import Prediction, Unreadable, list_and_report
from plp.printable import printable
from plp.report.html import readable
from plp.sweeps.compare.progress import clock

_EVERY = 2.0  # seconds between two lines of progress
_MOST_NAMED = 20


def main(argv: Sequence[str] | None = None) -> None:
    """Parse flags, classify, write.

    Raises:
        DataError: at the end, if images could not be read.
    """
    arguments = parser().parse_args(argv)
    for flag, target in (("--save", arguments.save), ("--out", arguments.out)):
        if target is not None:
            check_file_target(target, flag)
    paths = list_and_report(arguments.images)
    classifier = load_asked(arguments)
    if arguments.save is not None and arguments.calibrate is None:
        raise ConfigError("--save keeps a new threshold, and needs --calibrate FOLDER to choose it")
    if arguments.calibrate is not None:
        classifier.calibrate(arguments.calibrate)
    if arguments.save is not None:
        _say(f"saved {classifier.save(arguments.save)}")
    _say(classifier.rejection.describe())
    if classifier.probability == "sigmoid":
        _say("probabilities are of each class by itself (sigmoid): they need not add up to 1")
    bad: list[Unreadable] = []
    found = classifier.stream(
        paths, arguments.top_k, batch_size=arguments.batch_size, workers=arguments.workers
    )
    rows = FORMATS[arguments.format](classifier, paths, arguments.top_k)
    lines = rows.lines(_watched(found, len(paths), bad))
    with watching_transport() as transport:
        if arguments.out is None:
            for line in lines:
                print(line, flush=True)
        else:
            write_atomically(arguments.out, lambda path: _write(path, lines), follow=True)
            _say(f"written to {arguments.out}")
    for note in transport_notes(transport, classifier.learner):
        _say(note)
    refuse_unreadable(bad, len(paths))


def refuse_unreadable(bad: Sequence[Unreadable], total: int) -> None:
    """Name the images that were passed over.

    Raises:
        DataError: if there are any.
    """
    if bad:
        named = "\n  ".join(printable(readable(one.reason)) for one in bad[:_MOST_NAMED])
        rest = len(bad) - _MOST_NAMED
        more = f"\n  and {rest} more" if rest > 0 else ""
        raise DataError(f"{len(bad)} of {total} images could not be read:\n  {named}{more}")


def load_asked(arguments: argparse.Namespace) -> Classifier:
    """Load the classifier that the flags of `add_checkpoint` ask for."""
    return load(
        arguments.checkpoint,
        pretrained=arguments.pretrained,
        device=arguments.device,
        score=arguments.score,
        recall=arguments.recall,
        probability=arguments.probability,
        trust_code=arguments.trust_code,
        trust_header=arguments.trust_header,
    )


def _watched(
    found: Iterable[Prediction | Unreadable], total: int, bad: list[Unreadable]
) -> Iterator[Prediction | Unreadable]:
    """Pass predictions on; collect the unreadable, show progress."""
    begin = told = time.monotonic()
    for done, one in enumerate(found, start=1):
        if isinstance(one, Unreadable):
            bad.append(one)
        yield one
        now = time.monotonic()
        if now - told >= _EVERY:
            told, left = now, (now - begin) / done * (total - done)
            _say(f"{done} of {total} images, {clock(left)} left")
    seconds = time.monotonic() - begin
    _say(f"{total - len(bad)} of {total} images classified in {clock(seconds)}")


def _write(path: Path, lines: Iterable[str]) -> None:
    with open(path, "w", encoding="utf-8", newline="\n") as file:
        file.writelines(f"{line}\n" for line in lines)


def _say(message: str) -> None:
    print(message, file=sys.stderr, flush=True)
