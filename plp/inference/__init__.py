"""Asking a trained classifier: load, predict, reject, explain."""

from plp.inference.classifier import Classifier
from plp.inference.explanation import Explanation
from plp.inference.files import list_and_report, list_images
from plp.inference.loading import load
from plp.inference.prediction import Prediction, Unreadable
from plp.inference.rejection import Rejection, choose_rejection, fewest_images

__all__ = [
    "Classifier",
    "Explanation",
    "Prediction",
    "Rejection",
    "Unreadable",
    "choose_rejection",
    "fewest_images",
    "list_and_report",
    "list_images",
    "load",
]
