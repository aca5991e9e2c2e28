"""How lines of evidence become one: means, sums, weights, and classes that not all speak for."""

import pytest
import torch
from torch.testing import assert_close

from plp.branches.fusion import checked_fusion, fused_logits, fused_scores
from plp.errors import ConfigError
from plp.structures import Evidence


def said(scores, speaks_for=None):
    scores = torch.as_tensor(scores, dtype=torch.float32)
    known = None if speaks_for is None else torch.tensor(speaks_for)
    return Evidence(scores, scores[..., None], scores[..., None], speaks_for=known)


A, B = [[0.1, 0.4, 0.2]], [[0.5, 0.0, 0.6]]


@pytest.mark.parametrize(
    ("fusion", "expected"),
    [
        ("mean", [[0.3, 0.2, 0.4]]),
        ("sum", [[0.6, 0.4, 0.8]]),
        ({"a": 0.7, "b": 0.3}, [[0.22, 0.28, 0.32]]),
        ({"a": 7.0, "b": 3.0}, [[0.22, 0.28, 0.32]]),
        ({"a": 1.0, "b": 0.0}, A),
    ],
)
def test_scores_are_fused(fusion, expected):
    assert_close(fused_scores({"a": said(A), "b": said(B)}, fusion), torch.tensor(expected))


@pytest.mark.parametrize("fusion", ["mean", "sum", {"a": 0.7, "b": 0.3}])
def test_a_class_that_a_branch_does_not_speak_for_has_the_scores_of_the_others(fusion):
    both = {"a": said(A), "b": said(B)}
    some = {"a": said(A), "b": said(B, [True, False, False])}
    whole, part = fused_scores(both, fusion), fused_scores(some, fusion)
    assert_close(part[:, 0], whole[:, 0])
    factor = 2 if fusion == "sum" else 1
    assert_close(part[:, 1:], factor * torch.tensor(A)[:, 1:])


def test_a_class_that_nobody_speaks_for_is_fused_as_if_all_did():
    alone = {"b": said(B, [True, False, False])}
    assert_close(fused_scores(alone), torch.tensor(B))
    assert_close(fused_scores(alone, {"b": 0.3}), torch.tensor(B))


@pytest.mark.parametrize(("fusion", "biases"), [("mean", 1), ("sum", 2), ({"a": 3.0, "b": 1.0}, 1)])
def test_a_mean_has_one_bias_and_a_sum_that_of_each(fusion, biases):
    both = {"a": said(A), "b": said(B)}
    plain, biased = fused_logits(both, fusion, 10.0), fused_logits(both, fusion, 10.0, -2.0)
    assert_close(biased, plain - 2.0 * biases)


def test_weights_are_plain_floats():
    assert checked_fusion({"a": 1, "b": 0}, ["a", "b"]) == {"a": 1.0, "b": 0.0}


@pytest.mark.parametrize(
    ("fusion", "message"),
    [
        ("max", "expected fusion 'mean' or 'sum', or weights by branch"),
        ({"a": 1.0}, r"a fusion weight for each branch \(a, b\), got weights for a"),
        ({"a": 1.0, "b": -0.5}, "the fusion weight of 'b' to be a finite number >= 0, got -0.5"),
        ({"a": 1.0, "b": float("inf")}, "fusion weight of 'b' to be a finite number >= 0, got inf"),
        ({"a": 1.0, "b": True}, "fusion weight of 'b' to be a finite number >= 0, got True"),
        ({"a": 0, "b": 0}, "a fusion weight above 0"),
    ],
)
def test_bad_weights_are_refused(fusion, message):
    with pytest.raises(ConfigError, match=message):
        checked_fusion(fusion, ["a", "b"])
