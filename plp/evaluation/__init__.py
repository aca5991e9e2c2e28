"""Metrics."""

from plp.evaluation.calibration import (
    CalibrationReport,
    Judged,
    ReliabilityTable,
    calibration_report,
    expected_calibration_error,
    judge,
    reliability_table,
)
from plp.evaluation.classification import (
    ClassificationMetric,
    ClassificationReport,
    classification_report,
)
from plp.evaluation.ood import OODMetrics, ood_metrics, threshold_at_95

__all__ = [
    "CalibrationReport",
    "ClassificationMetric",
    "ClassificationReport",
    "Judged",
    "OODMetrics",
    "ReliabilityTable",
    "calibration_report",
    "classification_report",
    "expected_calibration_error",
    "judge",
    "ood_metrics",
    "reliability_table",
    "threshold_at_95",
]
