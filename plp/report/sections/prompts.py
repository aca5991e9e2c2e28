"""How the prompts have specialised: what they say, and what each looks at."""

import numpy as np

from plp.errors import ConfigError
from plp.report.html import Html, join, tag
from plp.report.page import Section, paragraphs
from plp.report.pictures import figure, render
from plp.report.specialisation import Seen, Specialisation, overlaps
from plp.report.tables import facts, grid, number
from plp.report.tested import Tested
from plp.results.render import MISSING
from plp.visualization import Explained, draw_explanation

_TEXTS = (
    "Cosine between the texts of two prompts of a class, averaged over the classes. 1: the prompts "
    "say the same."
)
_PICTURES = 2
_WIDEST = 8  # prompts of a table; more are told by their range


def prompts(found: Specialisation, tested: Tested) -> Section:
    """Return how alike the prompts are, and pictures of what they look at."""
    parts = [] if not found.texts else [tag("p", _TEXTS, class_="faint")]
    parts += [_texts(name, table) for name, table in found.texts.items()]
    if found.branch is None:
        told = "This method compares whole images only: no patches, no plans, nothing to draw."
        parts.append(paragraphs(told))
    elif not found.seen:
        parts.append(paragraphs("None of the test images looked at could be read."))
    else:
        parts += [_plans(found), *(_picture(one, tested) for one in _apart(found, tested))]
    return Section("prompts", "Prompts", join(parts))


def _texts(name: str, table: np.ndarray) -> Html:
    return join(tag("h3", f"Texts of branch {name}"), _pairs(table))


def _pairs(table: np.ndarray) -> Html:
    """Return a symmetric table of prompts, or its range where there are many."""
    N = len(table)
    if N > _WIDEST:
        apart = table[~np.eye(N, dtype=bool)]
        text = f"{N} prompts: from {np.nanmin(apart):.3f} to {np.nanmax(apart):.3f}, mean "
        return paragraphs(f"{text}{np.nanmean(apart):.3f} over pairs.")
    header = ["prompt", *(str(n + 1) for n in range(N))]
    rows = [
        [str(n + 1), *(number(MISSING if np.isnan(v) else f"{v:.3f}") for v in row)]
        for n, row in enumerate(table)
    ]
    return grid(header, rows)


def _plans(found: Specialisation) -> Html:
    explanations = [one.explanation for one in found.seen]
    numbers = [one.diagnostics for one in explanations]
    means = {key: float(np.mean([float(getattr(one, key)) for one in numbers]))
             for key in ("entropy", "distance_to_uniform", "gain")}  # fmt: skip
    K, N = explanations[0].plan.shape
    rows = [
        ("test images looked at", f"{len(explanations)}, each for its true class"),
        ("pairs of patch and prompt", f"{K} × {N}"),
        (
            "entropy of the plan",
            f"{means['entropy']:.4f} (1: equal on all pairs, 0: all on one)",
        ),
        ("mass moved from the uniform plan", f"{100 * means['distance_to_uniform']:.2f} %"),
        ("score gained over the mean", f"{means['gain']:+.5f}, in units of a cosine"),
    ]
    told = (
        "Share of their mass that two prompts send to the same patches, averaged over these "
        "images. 1: they look at the same; 0: at nothing in common."
    )
    return join(
        tag("h3", f"Plans of branch {found.branch}"), facts(rows),
        tag("p", told, class_="faint") if N > 1 else None,
        _pairs(overlaps(explanations)) if N > 1 else None,
    )  # fmt: skip


def _apart(found: Specialisation, tested: Tested) -> list[Seen]:
    """Return the images to draw: the first of the classes with lowest and highest accuracy."""
    counts = tested.confusion
    share = counts.diagonal() / counts.sum(1).clamp_min(1)
    order = sorted(found.seen, key=lambda one: float(share[tested.items[one.place].label]))
    return [order[0], order[-1]][: min(_PICTURES, len(order))]


def _picture(one: Seen, tested: Tested) -> Html:
    place, why = one.place, one.explanation
    try:
        picture = render(lambda: draw_explanation(Explained(one.image, why, "")), photo=True)
    except ConfigError as error:  # the transform does not tell where it looks
        return paragraphs(f"No picture of {why.name}: {error}.")
    sure = float(tested.judged.confidence[place])
    predicted = tested.class_names[int(tested.predicted[place])]
    caption = join(
        why.name, ", explained for its true class ", tag("bdi", why.class_name), "; predicted: ",
        tag("bdi", predicted), f" ({100 * sure:.0f} %). Upper row: the support, framed, and the "
        "plan of each prompt. Lower row: cosines of all patches. How to read it: docs/pictures.md.",
    )  # fmt: skip
    return figure(picture, f"Support, plans and similarities of {why.name}", caption)
