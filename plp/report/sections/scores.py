"""Scores of the test images: do wrong predictions look different?"""

from collections.abc import Mapping

from jaxtyping import Float
from torch import Tensor

from plp.inference.rejection import choose_rejection
from plp.report.html import join, tag
from plp.report.page import Section
from plp.report.pictures import figure, render
from plp.report.tables import grid, number
from plp.report.tested import Tested
from plp.results.render import MISSING
from plp.visualization import draw_right_and_wrong


def scores(tested: Tested, validation: Mapping[str, Float[Tensor, " _"]]) -> Section:
    """Return the distributions of scores, of right and of wrong predictions.

    Args:
        tested: The test.
        validation: Scores of the validation images by name, which thresholds are chosen from.
    """
    found = {
        name: choose_rejection(name, values.cpu())
        for name, values in validation.items()
        if len(values)
    }
    known = {name: one.threshold for name, one in found.items() if one.threshold is not None}
    correct = tested.judged.correct
    drawn = {name: known[name] for name in tested.scores if name in known}
    picture = render(lambda: draw_right_and_wrong(tested.scores, correct, drawn))
    told = (
        "Scores that follow from the class logits; a lower one means: more like the classes. AUROC "
        "says how well a score tells wrong predictions from right ones (50: not at all). All of "
        "these images are of the trained classes: how well images of other kinds are told apart, "
        "says the command plp ood. Scores that take more than these logits, such as patches, have "
        "their threshold here and no more; plp predict rejects by GlobalLocalMCM where the table "
        "has it, else by MCM, by MSP where the backbone has no texts, and by MaxSigmoid where "
        "probabilities are of a sigmoid."
    )
    alt = f"Histograms of {', '.join(tested.scores)}, of right and wrong predictions."
    caption = (
        "The dashed threshold accepts 95 % of images of the classes, by the validation images."
        if drawn
        else "No threshold: accepting 95 % takes 19 validation images or more."
    )
    rows = [
        [name, *_row(values, correct, known.get(name))] for name, values in tested.scores.items()
    ]
    rows += [
        [name, *map(number, (MISSING, MISSING, f"{threshold:.4g}", MISSING))]
        for name, threshold in known.items()
        if name not in tested.scores
    ]
    header = ["score", "median, right", "median, wrong", "threshold", "accepted, %"]
    body = join(tag("p", told), figure(picture, alt, caption), grid(header, rows))
    return Section("scores", "Scores", body)


def _row(values: Tensor, correct: Tensor, threshold: float | None) -> list:
    medians = [
        f"{float(part.median()):.4g}" if len(part) else MISSING
        for part in (values[correct], values[~correct])
    ]
    if threshold is None:
        return [*map(number, medians), number(MISSING), number(MISSING)]
    accepted = 100 * float((values <= threshold).double().mean())
    return [*map(number, medians), number(f"{threshold:.4g}"), number(f"{accepted:.1f}")]
