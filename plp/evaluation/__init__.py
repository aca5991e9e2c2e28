"""Metrics."""

from plp.evaluation.classification import (
    ClassificationMetric,
    ClassificationReport,
    classification_report,
)

__all__ = ["ClassificationMetric", "ClassificationReport", "classification_report"]
