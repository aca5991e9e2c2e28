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
    LogitsToScore,
    Outcomes,
    classification_report,
    joined,
    outcomes,
)
from plp.evaluation.ood import OODMetrics, ood_metrics, threshold_at_95

__all__ = [
    "CalibrationReport",
    "ClassificationMetric",
    "ClassificationReport",
    "Judged",
    "LogitsToScore",
    "OODMetrics",
    "Outcomes",
    "ReliabilityTable",
    "calibration_report",
    "classification_report",
    "expected_calibration_error",
    "joined",
    "judge",
    "ood_metrics",
    "outcomes",
    "reliability_table",
    "threshold_at_95",
]
