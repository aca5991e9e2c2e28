"""The report of a run: `report.html` in its work directory."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from jaxtyping import Float
from torch import Tensor

from plp.config.pixel_options import reading_of
from plp.evaluation import calibration_report
from plp.hooks.json_lines import read_rows
from plp.report.page import page
from plp.report.pictures import thumbnail
from plp.report.sections.calibration import calibration
from plp.report.sections.classes import classes
from plp.report.sections.confusion import confusion
from plp.report.sections.overview import lead, overview
from plp.report.sections.prompts import prompts
from plp.report.sections.reproduce import reproduce
from plp.report.sections.scores import scores
from plp.report.sections.settings import settings
from plp.report.sections.training import training
from plp.report.specialisation import Specialisation
from plp.report.tested import Tested
from plp.results.run import name_of_config


class Finished(NamedTuple):
    """All that the report of a run shows.

    Attributes:
        result: What stands in `result.json`.
        curves: Rows of `curves.jsonl`.
        tested: The test, image by image.
        root: The folder the paths of the test images are relative to.
        validation: Out-of-distribution scores of the validation images, by name of the score.
        specialisation: What the prompts have become.
    """

    result: Mapping[str, Any]
    curves: list[dict[str, int | float]]
    tested: Tested
    root: Path
    validation: Mapping[str, Float[Tensor, " _"]]
    specialisation: Specialisation


def run_report(run: Finished) -> str:
    """Return the report of a run as a document."""
    result = run.result
    calibrated = calibration_report(run.tested.judged)
    reading = reading_of(result["config"].get("data") or {})
    sections = [
        overview(result),
        classes(run.tested),
        confusion(run.tested, lambda path: thumbnail(run.root / path, reading)),
        calibration(calibrated, result["config"]["model"].get("probability", "softmax")),
        scores(run.tested, run.validation),
        prompts(run.specialisation, run.tested),
        training(run.curves),
        settings(result),
        reproduce(result),
    ]
    title = f"{name_of_config(result['config_file'])} on {result['dataset']}"
    foot = (
        f"Written by plp {result['versions'].get('plp', '')}. One file, no network; it holds small "
        "copies of test images: think of their licence before you pass it on."
    )
    return page(title, lead(result, calibrated), sections, foot)


def read_curves(folder: Path) -> list[dict[str, int | float]]:
    """Return the rows of a run's `curves.jsonl`; none where it has no such file."""
    return read_rows(folder / "curves.jsonl")
