"""Calibration against numbers worked by hand and scikit-learn."""

import math

import numpy as np
import pytest
import torch
from sklearn.metrics import brier_score_loss, log_loss
from torch.testing import assert_close
from unchecked import as_installed

from plp.evaluation import (
    Judged,
    calibration_report,
    expected_calibration_error,
    judge,
    reliability_table,
)

CONFIDENCE = torch.tensor([0.30, 0.35, 0.55, 0.60, 0.65, 0.90, 0.95, 1.00], dtype=torch.float64)
CORRECT = torch.tensor([1, 0, 0, 1, 1, 1, 1, 0], dtype=torch.bool)


def test_equal_width_by_hand():
    """Five bins; 0.60 and 1.00 lie on edges and belong to the bins they close."""
    table = reliability_table(CONFIDENCE, CORRECT, bins=5)
    assert table.images.tolist() == [2, 2, 1, 3]  # (.2,.4] (.4,.6] (.6,.8] (.8,1]; (0,.2] is empty
    assert_close(table.confidence, torch.tensor([0.325, 0.575, 0.65, 0.95], dtype=torch.float64))
    assert_close(table.accuracy, torch.tensor([0.5, 0.5, 1.0, 2 / 3], dtype=torch.float64))
    expected = (2 * 0.175 + 2 * 0.075 + 1 * 0.35 + 3 * (0.95 - 2 / 3)) / 8
    assert math.isclose(expected_calibration_error(table), expected)


def test_equal_mass_by_hand():
    table = reliability_table(CONFIDENCE, CORRECT, bins=4, binning="equal_mass")
    assert table.images.tolist() == [2, 2, 2, 2]
    assert_close(table.confidence, torch.tensor([0.325, 0.575, 0.775, 0.975], dtype=torch.float64))
    expected = (0.175 + 0.075 + 0.225 + 0.475) / 4
    assert math.isclose(expected_calibration_error(table), expected)
    sizes = reliability_table(CONFIDENCE, CORRECT, bins=3, binning="equal_mass").images
    assert sorted(sizes.tolist()) == [2, 3, 3]


@pytest.mark.parametrize("binning", ["equal_width", "equal_mass"])
def test_ties_and_order_play_no_part(binning):
    generator = np.random.default_rng(0)
    confidence = torch.from_numpy(generator.integers(1, 9, 200) / 8)
    correct = torch.from_numpy(generator.random(200) < 0.5)
    order = torch.from_numpy(generator.permutation(200))
    tables = [
        reliability_table(confidence[rows], correct[rows], 7, binning)
        for rows in (torch.arange(200), order)
    ]
    for one, other in zip(*tables, strict=True):
        assert_close(one, other)


def test_a_calibrated_classifier_has_no_error_and_a_boaster_has_all():
    sure = torch.ones(50, dtype=torch.float64)
    right = torch.ones(50, dtype=torch.bool)
    assert expected_calibration_error(reliability_table(sure, right)) == 0
    assert expected_calibration_error(reliability_table(sure, ~right)) == 1
    half = torch.full((50,), 0.5, dtype=torch.float64)
    turns = torch.arange(50) % 2 == 0
    assert expected_calibration_error(reliability_table(half, turns)) == 0


def test_judging_against_scikit_learn():
    generator = torch.Generator().manual_seed(0)
    logits = 3 * torch.randn(300, 4, generator=generator)
    labels = torch.randint(4, (300,), generator=generator)
    judged = judge(logits, labels)
    probabilities = logits.double().softmax(-1).numpy()
    probabilities /= probabilities.sum(-1, keepdims=True)
    report = calibration_report(judged)
    assert math.isclose(report.nll, log_loss(labels, probabilities), rel_tol=1e-9)
    by_class = [brier_score_loss(labels == c, probabilities[:, c]) for c in range(4)]
    assert math.isclose(report.brier, sum(by_class), rel_tol=1e-9)
    assert math.isclose(report.accuracy, 100 * (probabilities.argmax(1) == labels.numpy()).mean())
    assert math.isclose(report.confidence, 100 * probabilities.max(1).mean(), rel_tol=1e-9)
    assert report.num_images == int(report.table.images.sum()) == 300


def test_batches_judged_apart_are_judged_the_same():
    logits, labels = torch.randn(10, 3), torch.arange(10) % 3
    parts = [judge(logits[:4], labels[:4]), judge(logits[4:], labels[4:])]
    joined = Judged(*(torch.cat(pair) for pair in zip(*parts, strict=True)))
    for one, whole in zip(joined, judge(logits, labels), strict=True):
        assert_close(one, whole)


def test_by_hand():
    """Two classes: p = 0.8 and right, p = 0.6 and wrong."""
    logits = torch.tensor([[0.8, 0.2], [0.4, 0.6]], dtype=torch.float64).log()
    report = calibration_report(judge(logits, torch.tensor([0, 0])), bins=2)
    assert math.isclose(report.ece, 100 * abs(0.5 - 0.7))  # both in (0.5, 1]
    assert math.isclose(report.ece_equal_mass, 100 * (0.2 + 0.6) / 2)
    assert math.isclose(report.nll, -(math.log(0.8) + math.log(0.4)) / 2)
    assert math.isclose(report.brier, (2 * 0.2**2 + 2 * 0.6**2) / 2)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (dict(confidence=CONFIDENCE[:0], correct=CORRECT[:0]), "vectors of one length"),
        (dict(correct=CORRECT[:3]), r"got \[8\] and \[3\]"),
        (dict(confidence=CONFIDENCE * 2), r"confidence in \[0, 1\]"),
        (dict(confidence=CONFIDENCE * math.nan), r"confidence in \[0, 1\]"),
        (dict(bins=0), "1 bin or more, got 0"),
        (dict(binning="quantile"), "'equal_width' or 'equal_mass', got 'quantile'"),
    ],
)
def test_what_cannot_be_calibrated(change, message):
    with as_installed(), pytest.raises(ValueError, match=message):
        reliability_table(**{"confidence": CONFIDENCE, "correct": CORRECT, **change})
