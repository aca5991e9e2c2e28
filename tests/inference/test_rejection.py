"""The threshold keeps its promise for any scores, and there is none where it could not."""

import math
from fractions import Fraction

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from unchecked import as_installed

from plp.errors import ConfigError
from plp.inference import choose_rejection, fewest_images

recalls = st.sampled_from([0.5, 0.8, 0.9, 0.95, 0.99])


@given(st.lists(st.floats(-5, 5, width=32), min_size=1, max_size=60), recalls)
def test_each_of_n_plus_one_images_left_out_in_turn_is_accepted_often_enough(scores, recall):
    """The exact law behind split conformal prediction: no draw of images can break it."""
    values = torch.tensor(scores)
    found = [
        choose_rejection("MCM", torch.cat([values[:i], values[i + 1 :]]), recall).accepts(
            float(values[i])
        )
        for i in range(len(values))
    ]
    if len(values) - 1 < fewest_images(recall):
        assert found == [None] * len(values)
    else:
        assert sum(found) >= Fraction(str(recall)) * len(values)


@given(recalls, st.integers(0, 130))
def test_a_threshold_from_so_many_images_on(recall, images):
    has = choose_rejection("MCM", torch.arange(float(images)), recall).threshold is not None
    assert has == (images >= fewest_images(recall))


def test_no_looser_than_needed():
    values = torch.randperm(199, generator=torch.Generator().manual_seed(0)).float()
    assert choose_rejection("MCM", values, 0.95).threshold == 189  # the 190th of 199
    assert math.ceil(0.95 * 200) == 190


def test_what_is_said():
    enough = choose_rejection("MCM", torch.linspace(-1, 0, 40))
    assert "at least 0.95 of in-distribution images, by 40 validation images" in enough.describe()
    few = choose_rejection("MCM", torch.zeros(12))
    assert few.accepts(-100.0) is None
    assert "at least 19 validation images, and there are 12" in few.describe()
    assert few.describe().endswith(
        "(clf.calibrate(FOLDER), --calibrate FOLDER), or ask for a recall up to 0.92 "
        "(recall=0.92, --recall 0.92)"
    )
    assert choose_rejection("MCM", torch.zeros(0)).describe().endswith("--calibrate FOLDER)")


@pytest.mark.parametrize("images", [1, 2, 6, 12, 18])
def test_the_recall_that_is_offered_can_be_had(images):
    values = torch.arange(float(images))
    most = float(choose_rejection("MCM", values).describe().rpartition("--recall ")[2][:-1])
    assert choose_rejection("MCM", values, most).threshold is not None
    assert choose_rejection("MCM", values, most + 0.02).threshold is None


@pytest.mark.parametrize("recall", [0, 1, 1.5, -0.1, float("nan"), True, "0.9"])
def test_recall_is_a_share(recall):
    with as_installed(), pytest.raises(ConfigError, match="expected a recall between 0 and 1"):
        choose_rejection("MCM", torch.zeros(40), recall)


def test_scores_are_numbers():
    with pytest.raises(ConfigError, match="got 2 of 20 that are not"):
        choose_rejection("MCM", torch.tensor([0.0] * 18 + [float("nan"), float("inf")]))
