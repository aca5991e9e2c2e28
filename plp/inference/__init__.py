"""Asking a trained classifier: load, predict, reject, explain."""

from typing import Any

from plp._moved import moved_name
from plp.inference.explanation import Explanation
from plp.inference.files import list_and_report, list_images
from plp.inference.prediction import Prediction, Unreadable
from plp.inference.rejection import Rejection, choose_rejection, fewest_images

__all__ = [
    "Explanation",
    "Prediction",
    "Rejection",
    "Unreadable",
    "choose_rejection",
    "fewest_images",
    "list_and_report",
    "list_images",
]


def __getattr__(name: str) -> Any:
    """Give `Classifier` and `load`, which moved to `plp.api`, with a warning."""
    return moved_name(__name__, name)
