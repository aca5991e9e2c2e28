"""Which classes were taken for which, with the images on which it was surest."""

from collections.abc import Callable

from plp.evaluation.classification import distinct
from plp.report.html import Html, breakable, join, tag
from plp.report.page import Section, paragraphs
from plp.report.pictures import Drawn, small_figure
from plp.report.tables import grid, heat
from plp.report.tested import Confused, Tested, most_confused

Thumbnails = Callable[[str], Drawn | None]

PAIRS, IMAGES = 8, 3  # shown, and of each
_LARGEST = 12  # classes of a matrix that is shown


def confusion(tested: Tested, thumbnail_of: Thumbnails) -> Section:
    """Return the pairs of classes that were confused most, with thumbnails, and a small matrix.

    Args:
        tested: The test.
        thumbnail_of: Makes a small picture of an image by its path.
    """
    names = distinct(tested.class_names)
    pairs = most_confused(tested, PAIRS)
    if not pairs:
        return Section(
            "confusion", "Confusion", paragraphs("Every test image was classified right.")
        )
    caption = (
        "Most confused pairs of classes; of each the images on which the wrong class had the "
        "highest probability, which stands below them."
    )
    told = tag("p", caption, class_="faint")
    pairs_of = tag(
        "div", (_pair(tested, names, pair, thumbnail_of) for pair in pairs), class_="pairs"
    )
    matrix = _matrix(tested, names) if len(names) <= _LARGEST else None
    return Section("confusion", "Confusion", join(matrix, told, pairs_of))


def _pair(tested: Tested, names: list[str], pair: Confused, thumbnail_of: Thumbnails) -> Html:
    share = f"{pair.times} of {pair.total} images ({100 * pair.times / pair.total:.1f} %)"
    heading = tag(
        "h3", tag("bdi", names[pair.true]), " taken for ", tag("bdi", names[pair.taken_for]),
        f": {share}",
    )  # fmt: skip
    thumbs = (
        tag("li", _thumb(tested, names, pair, place, thumbnail_of))
        for place in pair.images[:IMAGES]
    )
    return tag("div", heading, tag("ul", thumbs, class_="thumbs"))


def _thumb(
    tested: Tested, names: list[str], pair: Confused, place: int, thumbnail_of: Thumbnails
) -> Html:
    path = tested.items[place].path
    sure = f"{100 * float(tested.judged.confidence[place]):.0f} %"
    alt = f"{path}: {names[pair.true]}, taken for {names[pair.taken_for]} with {sure}"
    return small_figure(thumbnail_of(path), alt, join(sure, tag("br"), breakable(path)))


def _matrix(tested: Tested, names: list[str]) -> Html:
    """Return the confusion matrix, each row shaded by shares of its class."""
    counts = tested.confusion.tolist()
    rows = [
        [tag("bdi", names[i]),
         *(heat(str(n), n / max(sum(row), 1), right=i == j) for j, n in enumerate(row))]
        for i, row in enumerate(counts)
    ]  # fmt: skip
    header = ["true class", *(tag("bdi", name) for name in names)]
    caption = "Test images by true class (rows) and predicted class (columns)."
    return grid(header, rows, caption)
