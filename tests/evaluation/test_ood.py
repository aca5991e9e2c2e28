"""Detection metrics against scikit-learn, brute force and cases worked by hand."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, roc_auc_score, roc_curve
from unchecked import as_installed

from plp.evaluation import OODMetrics, ood_metrics, threshold_at_95

TIED = st.lists(st.integers(-3, 3).map(float), min_size=1, max_size=60)


def vector(values):
    return torch.tensor(list(values), dtype=torch.float64)


def oracle(inside, outside):
    """What scikit-learn says, in percent."""
    scores = np.concatenate([inside, outside])
    is_id = np.concatenate([np.ones(len(inside)), np.zeros(len(outside))])

    def fpr95(positive, values):
        false, true, _ = roc_curve(positive, values, drop_intermediate=False)
        return false[true >= 0.95 - 1e-12].min()  # a share of 19/20 may miss 0.95 by rounding

    return {
        "auroc": 100 * roc_auc_score(1 - is_id, scores),
        "aupr_in": 100 * average_precision_score(is_id, -scores),
        "aupr_out": 100 * average_precision_score(1 - is_id, scores),
        "fpr95_id": 100 * fpr95(is_id, -scores),
        "fpr95_ood": 100 * fpr95(1 - is_id, scores),
    }


def same(found, expected):
    return all(math.isclose(getattr(found, k), v, abs_tol=1e-9) for k, v in expected.items())


@settings(max_examples=60, deadline=None)
@given(inside=TIED, outside=TIED)
def test_against_scikit_learn_with_many_ties(inside, outside):
    found = ood_metrics(vector(inside), vector(outside))
    assert same(found, oracle(inside, outside)), found


def test_against_scikit_learn_without_ties():
    generator = np.random.default_rng(0)
    inside, outside = generator.normal(0, 1, 1234), generator.normal(1.3, 2, 777)
    found = ood_metrics(vector(inside), vector(outside))
    assert same(found, oracle(inside, outside)), found
    assert (found.num_id, found.num_ood) == (1234, 777)


def test_by_hand_with_ties():
    """ID 1 2 2 3, OOD 2 4: pairs below 4 + 3 (of 8) and two ties; the rest in the comments."""
    found = ood_metrics(vector([1, 2, 2, 3]), vector([2, 4]))
    # OOD 2 lies above one ID score and ties with two; OOD 4 lies above four.
    assert found.auroc == 100 * (1 + 2 / 2 + 4) / 8
    # Precision of ID at 1, 2, 2, 3: 1/1, 3/4, 3/4, 4/5.
    assert math.isclose(found.aupr_in, 100 * (1 + 0.75 + 0.75 + 0.8) / 4)
    # Precision of OOD at 4, 2: 1/1, 2/5.
    assert math.isclose(found.aupr_out, 100 * (1 + 0.4) / 2)
    # 95 % of 4 ID images are all 4: accept up to 3, and with it OOD 2.
    assert found.fpr95_id == 50
    # 95 % of 2 OOD images are both: reject from 2 on, and with it ID 2, 2, 3.
    assert found.fpr95_ood == 75


def lopsided():
    """A case whose two FPRs lie far apart: a fifth of OOD looks like the most typical ID image."""
    return vector(range(20)), vector([0.0] * 4 + [100.0] * 16)


def test_the_two_meanings_of_fpr95_are_not_swapped():
    found = ood_metrics(*lopsided())
    assert found.fpr95_id == 20  # accept ID up to 18 (19 of 20): the 4 zeros of OOD pass, 4 of 20
    assert found.fpr95_ood == 100  # reject 19 of 20 OOD: from 0 on, and every ID image with them


def test_swapped_meanings_would_be_noticed():
    found = ood_metrics(*lopsided())
    swapped = found._replace(fpr95_id=found.fpr95_ood, fpr95_ood=found.fpr95_id)
    expected = oracle(*(part.numpy() for part in lopsided()))
    assert same(found, expected)
    assert not same(swapped, expected)


@pytest.mark.parametrize("total", [1, 19, 20, 21, 40, 60, 99, 100, 101, 1000, 50_000])
def test_the_threshold_accepts_95_percent_and_no_image_more_than_needed(total):
    threshold = threshold_at_95(torch.arange(1.0, total + 1))
    assert 100 * threshold >= 95 * total
    assert 100 * (threshold - 1) < 95 * total


def test_limits():
    apart = ood_metrics(vector([0, 1]), vector([2, 3]))
    assert apart == OODMetrics(100, 100, 100, 0, 0, 2, 2)
    turned = ood_metrics(vector([2, 3]), vector([0, 1]))
    assert (turned.auroc, turned.fpr95_id, turned.fpr95_ood) == (0, 100, 100)
    constant = ood_metrics(vector([5] * 3), vector([5]))
    assert constant == OODMetrics(50, 75, 25, 100, 100, 3, 1)


@settings(max_examples=30, deadline=None)
@given(inside=TIED, outside=TIED, seed=st.integers(0, 9))
def test_order_and_rising_maps_change_nothing(inside, outside, seed):
    shuffle = np.random.default_rng(seed).permutation
    found = ood_metrics(vector(inside), vector(outside))
    assert ood_metrics(vector(shuffle(inside)), vector(shuffle(outside))) == found
    assert ood_metrics(vector(inside).exp(), vector(outside).exp()) == found


def test_single_precision_is_compared_as_it_is():
    close = torch.tensor([1.0, 1.0 + 2**-23])
    assert ood_metrics(close[:1], close[1:]).auroc == 100


@pytest.mark.parametrize(
    ("inside", "outside", "message"),
    [
        ([], [1.0], r"vector of ID scores, got shape \[0\]"),
        ([1.0], [], r"vector of OOD scores, got shape \[0\]"),
        ([[1.0]], [1.0], r"vector of ID scores, got shape \[1, 1\]"),
        ([1.0], [1.0, math.nan, math.inf], "finite OOD scores, got 2 of 3"),
    ],
)
def test_what_cannot_be_compared(inside, outside, message):
    with as_installed(), pytest.raises(ValueError, match=message):
        ood_metrics(torch.tensor(inside), torch.tensor(outside))
