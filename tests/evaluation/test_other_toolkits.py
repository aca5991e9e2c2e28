"""What docs/out_of_distribution.md says about the metrics of other toolkits, by their formulas."""

import numpy as np
import pytest
import torch
from sklearn.metrics import auc, precision_recall_curve

from plp.config.load import load_config
from plp.evaluation import ood_metrics
from plp.prompts.template_sets import template_set
from plp.transforms import ClipEval


def trapezoids(inside, outside):
    """AUPR as OpenOOD and pytorch-ood take it, in percent: OOD is the positive class."""
    truth = np.r_[np.zeros(len(inside)), np.ones(len(outside))]
    precision, recall, _ = precision_recall_curve(truth, np.r_[inside, outside])
    return 100 * auc(recall, precision)


def nearest_recall(inside, outside):
    """FPR95 as the code published with MCM takes it, in percent.

    Thresholds are the distinct scores; of those whose share of ID is nearest to 95 %, the one that
    accepts most.
    """
    thresholds = np.unique(np.r_[inside, outside])
    recall = np.array([(inside <= t).mean() for t in thresholds])
    accepted = np.array([(outside <= t).mean() for t in thresholds])
    distance = np.abs(recall - 0.95).round(12)
    usable = thresholds <= thresholds[recall == 1][0]  # the code stops where all ID is accepted
    return 100 * accepted[usable & (distance == distance[usable].min())].max()


@pytest.mark.parametrize(
    ("num_id", "num_ood", "theirs", "ours"), [(50, 50, 75, 50), (90, 10, 55, 10), (10, 90, 95, 90)]
)
def test_one_score_for_all_images(num_id, num_ood, theirs, ours):
    found = ood_metrics(torch.zeros(num_id), torch.zeros(num_ood))
    assert trapezoids(np.zeros(num_id), np.zeros(num_ood)) == pytest.approx(theirs)
    assert found.aupr_out == pytest.approx(ours)


def test_without_ties_trapezoids_are_hundredths_off():
    generator = np.random.default_rng(0)
    inside, outside = generator.normal(0, 1, 500), generator.normal(1, 1, 300)
    found = ood_metrics(torch.from_numpy(inside), torch.from_numpy(outside))
    assert 0 < abs(trapezoids(inside, outside) - found.aupr_out) < 0.2


def test_mcms_fpr95_is_never_lower_where_scores_differ():
    generator = np.random.default_rng(0)
    higher = 0
    for _ in range(300):
        inside = generator.normal(0, 1, generator.integers(1, 150))
        outside = generator.normal(0.5, 1, generator.integers(1, 60))
        found = ood_metrics(torch.from_numpy(inside), torch.from_numpy(outside))
        theirs = nearest_recall(inside, outside)
        assert theirs > found.fpr95_id - 1e-9
        higher += theirs > found.fpr95_id + 1e-9
    assert higher > 30


def test_mcms_fpr95_may_be_lower_where_scores_tie():
    inside, outside = np.r_[np.zeros(94), np.ones(6)], np.r_[np.zeros(5), np.ones(5)]
    assert nearest_recall(inside, outside) == 50
    assert ood_metrics(torch.from_numpy(inside), torch.from_numpy(outside)).fpr95_id == 100


def test_the_zero_shot_reference_is_not_that_of_mcms_code(root):
    """There: bilinear, and "a photo of a cat" without a full stop."""
    config = load_config(root / "configs/sotglp/vitb16_16shot.py")
    (template,) = template_set(config.model.references.zero_shot.prompt.templates)
    assert template == "a photo of a {}."
    assert config.data.eval_transform == {"type": "BackboneEval"}  # of CLIP: ClipEval
    assert ClipEval(224).interpolation == "bicubic"
