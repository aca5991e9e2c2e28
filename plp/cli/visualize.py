"""Draw which patches of images speak for a class: `plp visualize`."""

import io
import logging
import math
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from PIL import Image

from plp.api import Classifier
from plp.cli.flags.visualize import parser
from plp.cli.predict import load_asked, refuse_unreadable
from plp.datasets.base import some
from plp.engine.places import check_folder_target
from plp.errors import ConfigError, DataError
from plp.figure_text import drawing
from plp.files import write_bytes
from plp.inference import Explanation, Unreadable, list_and_report
from plp.inference.images import as_images, decode
from plp.results.earlier import SET_ASIDE
from plp.visualization import (
    Explained,
    draw_class_comparison,
    draw_explanation,
    draw_plan_matrices,
    draw_sheet,
)
from plp.wording import count

logger = logging.getLogger("plp")

_MOST_ROWS = 24  # of the sheet
_MARK = "plp visualize"


def main(argv: Sequence[str] | None = None) -> None:
    """Parse flags, draw, write.

    Raises:
        DataError: at the end, if images could not be read.
    """
    arguments = parser().parse_args(argv)
    if find_spec("matplotlib") is None:
        raise ConfigError("pictures need matplotlib: pip install matplotlib")
    folder = check_folder_target(arguments.out, "--out")
    paths = list_and_report(arguments.images)
    names = file_names(paths)
    _refuse_others(folder, names)
    classifier = load_asked(arguments)
    drawn: list[Explained] = []
    older = 0
    bad: list[Unreadable] = []
    for path, name in zip(paths, names, strict=True):
        try:
            shown = explain_image(classifier, path, arguments.class_name, arguments.branch)
        except DataError as error:
            bad.append(Unreadable(str(path), str(error)))
            continue
        figures = (draw_explanation(shown[0]), draw_class_comparison(shown),
                   draw_plan_matrices(shown))  # fmt: skip
        for figure, one in zip(figures, _names_of(name), strict=True):
            older += save(figure, folder / f"{one}.png")
        drawn.append(shown[0])
        print(f"{folder / name}.png: {', '.join(one.title for one in shown)}")
    for number, start in enumerate(range(0, len(drawn), _MOST_ROWS), start=1):
        sheet = folder / f"{_sheet(number)}.png"
        older += save(draw_sheet(drawn[start : start + _MOST_ROWS]), sheet)
        print(f"{sheet}: {min(len(drawn) - start, _MOST_ROWS)} images")
    if older:
        logger.warning(
            "%s of an earlier call: now in %s", count(older, "picture"), folder / SET_ASIDE
        )
    warn_of_unsolved([one.explanation for one in drawn])
    refuse_unreadable(bad, len(paths))


def explain_image(
    classifier: Classifier, path: Path, class_name: str | None, branch: str | None = None
) -> list[Explained]:
    """Explain an image for a class (the predicted one if None) and for its strongest rival.

    Raises:
        DataError: for an image that cannot be read.
        ConfigError: for an unknown class or branch, or a method without patches.
    """
    (named,) = as_images(path)
    image = decode(named, classifier.reading)
    (found,) = classifier.predict(image, top_k=len(classifier.class_names))
    shares = dict(zip(found.labels, found.probabilities, strict=True))
    chosen = found.label if class_name is None else class_name
    rival = next(label for label in found.labels if label != chosen)
    explanations = [classifier.explain(image, label, branch) for label in (chosen, rival)]
    return [
        Explained(image, one, f"{one.class_name} ({shares[one.class_name]:.0%})")
        for one in explanations
    ]


def warn_of_unsolved(explanations: Sequence[Explanation]) -> None:
    """Say how many of the plans drawn have not converged."""
    errors = [one.row_error or 0.0 for one in explanations if one.converged is False]
    if errors:
        logger.warning(
            "transport has not converged in %d of %s: these plans' row sums are off by up to %.2g "
            "of the mass. Raise max_iterations of the aligner, or take a larger epsilon",
            len(errors), count(len(explanations), "plan"), max(errors),
        )  # fmt: skip


def file_names(paths: Sequence[Path]) -> list[str]:
    """Return a file name for each image: its own, with a number where that is taken.

    Example:
        >>> file_names([Path('a/1.png'), Path('b/1.jpg'), Path('b/sheet.jpg')])
        ['1', '1_2', 'sheet_2']
    """
    taken = set(_sheets(len(paths)))
    names = []
    for path in paths:
        name, number = path.stem, 1
        while not taken.isdisjoint(_names_of(name)):
            number += 1
            name = f"{path.stem}_{number}"
        taken.update(_names_of(name))
        names.append(name)
    return names


def save(figure: Any, path: Path) -> bool:
    """Write a figure as PNG, whole or not at all, with a mark that tells it from others.

    Returns:
        Whether another picture stood there, which was moved to the folder `set_aside` beside it.
    """
    drawn = io.BytesIO()
    with drawing():
        figure.savefig(drawn, format="png", metadata={"Software": _MARK})
    older = path.exists() and path.read_bytes() != drawn.getvalue()
    if older:
        _set_aside(path)
    write_bytes(path, drawn.getvalue())
    return older


def _set_aside(path: Path) -> None:
    target = base = path.parent / SET_ASIDE / path.name
    number = 1
    while target.exists():
        number += 1
        target = base.with_stem(f"{base.stem}_{number}")
    target.parent.mkdir(exist_ok=True)
    path.rename(target)


def _names_of(name: str) -> tuple[str, str, str]:
    """Return the names of an image's three pictures."""
    return name, f"{name}_classes", f"{name}_plans"


def _sheet(number: int) -> str:
    return "sheet" if number == 1 else f"sheet_{number}"


def _sheets(images: int) -> list[str]:
    return [_sheet(number) for number in range(1, math.ceil(images / _MOST_ROWS) + 1)]


def _refuse_others(folder: Path, names: Sequence[str]) -> None:
    """Refuse to write over what this command has not written, such as the images themselves.

    Raises:
        ConfigError: naming the files.
    """
    pictures = [one for name in names for one in _names_of(name)]
    paths = [folder / f"{name}.png" for name in (*pictures, *_sheets(len(names)))]
    others = [path.name for path in paths if path.exists() and not _is_ours(path)]
    if others:
        raise ConfigError(
            f"--out {str(folder)!r} holds files that plp visualize has not written and would "
            f"write over: {some(others)}. Give another folder"
        )


def _is_ours(path: Path) -> bool:
    try:
        with Image.open(path) as image:
            return image.info.get("Software") == _MARK
    except (OSError, ValueError, Image.DecompressionBombError):
        return False
