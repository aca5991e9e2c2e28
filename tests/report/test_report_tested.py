"""What a report keeps of a test, and the pairs of classes it finds confused."""

import re

import numpy as np
import pytest
import torch
from scipy.special import entr, logsumexp, softmax
from sklearn.metrics import confusion_matrix

from plp.datasets.base import Item
from plp.evaluation import classification_report, outcomes
from plp.inference.rejection import choose_rejection
from plp.registry import SCORES
from plp.report.sections.overview import wilson
from plp.report.sections.scores import scores
from plp.report.tested import keep, most_confused

C, IMAGES = 5, 300
LOGIT_SCORES = ("Energy", "Entropy", "MSP", "MaxLogit")
NAMES = [f"class {i}" for i in range(C)]


@pytest.fixture
def logits():
    return 3 * torch.randn(IMAGES, C, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def labels():
    return torch.randint(C, (IMAGES,), generator=torch.Generator().manual_seed(1))


@pytest.fixture
def tested(logits, labels):
    built = {name: SCORES.build(dict(type=name), logit_scale=7.0) for name in LOGIT_SCORES}
    scores = {name: score.of_logits for name, score in built.items()}
    found = outcomes({"fused": logits, "global": -logits}, labels, scores)
    items = [Item(f"{i}.png", label) for i, label in enumerate(labels.tolist())]
    return keep(classification_report(found, NAMES), items, NAMES)


def test_scores_are_those_of_the_prediction(tested, logits):
    z = logits.double().numpy()
    expected = {
        "Energy": -logsumexp(z, 1), "Entropy": entr(softmax(z, 1)).sum(1),
        "MSP": -softmax(z, 1).max(1), "MaxLogit": -z.max(1),
    }  # fmt: skip
    assert tested.scores.keys() == expected.keys()
    for name, value in expected.items():
        np.testing.assert_allclose(tested.scores[name].numpy(), value, rtol=1e-4, atol=1e-5)


def test_the_threshold_that_predict_uses_is_told_without_scores_of_the_test(tested):
    values = {
        "MSP": torch.linspace(-1, 0, 40), "GlobalLocalMCM": torch.linspace(-2, -1, 40),
        "MCM": torch.zeros(3),
    }  # fmt: skip
    page = scores(tested, values).body
    expected = choose_rejection("GlobalLocalMCM", values["GlobalLocalMCM"]).threshold
    rows = [re.sub(r"<[^>]*>", " ", row).split() for row in page.split("<tr>")]
    found = {row[0]: row[1:] for row in rows if row}
    assert found["GlobalLocalMCM"] == ["–", "–", f"{expected:.4g}", "–"]
    assert "MCM" not in found, "three images give no threshold"
    assert "–" not in found["MSP"]


def test_most_confused_pairs(tested, labels):
    table = confusion_matrix(labels.numpy(), tested.predicted.numpy(), labels=range(C))
    assert (tested.confusion.numpy() == table).all()
    apart = table - np.diag(table.diagonal())
    found = most_confused(tested, C * C)
    assert len(found) == (apart > 0).sum()
    assert [one.times for one in found] == sorted(apart[apart > 0], reverse=True)
    assert most_confused(tested, 3) == found[:3]
    for one in found:
        assert one.times == apart[one.true, one.taken_for] == len(one.images)
        assert one.total == table[one.true].sum()
        confidence = tested.judged.confidence[list(one.images)]
        assert (confidence.diff() <= 0).all(), "the surest mistake first"
        for place in one.images:
            assert labels[place] == one.true
            assert tested.predicted[place] == one.taken_for


def test_nothing_is_confused_where_all_is_right():
    labels = torch.tensor([0, 1, 1])
    report = classification_report(outcomes({"fused": torch.eye(2)[labels]}, labels), ["a", "b"])
    assert most_confused(keep(report, [Item("x", int(i)) for i in labels], ["a", "b"]), 9) == []


@pytest.mark.parametrize(("right", "count"), [(0, 1), (1, 1), (7, 20), (500, 1600)])
def test_interval_of_a_share(right, count):
    from scipy.stats import binomtest

    expected = binomtest(right, count).proportion_ci(method="wilson")
    np.testing.assert_allclose(wilson(right / count, count), 100 * np.array(expected), atol=1e-4)
