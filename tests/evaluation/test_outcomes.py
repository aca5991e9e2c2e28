"""What is kept of a test: a few numbers per image, in any batches, in any order."""

import pytest
import torch

from plp.engine.build import build_learner
from plp.evaluation import ClassificationMetric, classification_report, joined, judge, outcomes
from plp.registry import SCORES
from plp.scoring.validation import scores_of_logits

IMAGES, C = 50, 4
NAMES = [f"class {i}" for i in range(C)]


@pytest.fixture
def logits():
    generator = torch.Generator().manual_seed(0)
    return {name: 3 * torch.randn(IMAGES, C, generator=generator) for name in ("fused", "local")}


@pytest.fixture
def labels():
    return torch.randint(C, (IMAGES,), generator=torch.Generator().manual_seed(1))


@pytest.fixture
def scores():
    return {"MSP": SCORES.build(dict(type="MSP"), logit_scale=1.0).of_logits}


def rows_of(logits, labels, places):
    names = {"fused": "logits", "local": "local"}
    return [
        {names[k]: v[i] for k, v in logits.items()} | {"index": i, "label": int(labels[i])}
        for i in places
    ]


def assert_same(one, other):
    assert torch.equal(one.labels, other.labels)
    for a, b in zip(one.judged, other.judged, strict=True):
        assert torch.equal(a, b)
    for part in ("predicted", "scores"):
        mine, theirs = getattr(one, part), getattr(other, part)
        assert mine.keys() == theirs.keys()
        assert all(torch.equal(mine[name], theirs[name]) for name in mine)


def test_batches_put_together_are_the_whole(logits, labels, scores):
    whole = outcomes(logits, labels, scores)
    cut = [slice(0, 7), slice(7, 8), slice(8, IMAGES)]
    parts = [outcomes({k: v[s] for k, v in logits.items()}, labels[s], scores) for s in cut]
    assert_same(joined(parts), whole)
    for mine, expected in zip(whole.judged, judge(logits["fused"], labels), strict=True):
        assert torch.equal(mine, expected)


def test_a_metric_counts_an_image_once_and_in_order(logits, labels, scores):
    metric = ClassificationMetric(NAMES, scores)
    order = torch.randperm(IMAGES, generator=torch.Generator().manual_seed(2)).tolist()
    for places in (order[:20], order[20:45], order[45:] + order[:6]):  # as a padded sampler does
        metric.process(None, rows_of(logits, labels, places))
    found = metric.evaluate(IMAGES)
    expected = classification_report(outcomes(logits, labels, scores), NAMES)
    assert found == {
        "accuracy": expected.accuracy["fused"], "accuracy_local": expected.accuracy["local"],
    }  # fmt: skip
    assert_same(metric.report.outcomes, expected.outcomes)
    assert metric.report.num_images == IMAGES
    assert torch.equal(metric.report.confusion, expected.confusion)
    assert not metric.results, "the next evaluation starts anew"


def test_what_is_kept_does_not_grow_with_the_classes(scores):
    def kept(num_classes):
        metric = ClassificationMetric([str(i) for i in range(num_classes)], scores)
        wide = {"fused": torch.zeros(3, num_classes), "local": torch.zeros(3, num_classes)}
        metric.process(None, rows_of(wide, torch.zeros(3, dtype=torch.long), range(3)))
        _, found = metric.results[0]
        tensors = [
            found.labels, *found.predicted.values(), *found.judged, *found.scores.values(),
        ]  # fmt: skip
        return sum(one.untyped_storage().nbytes() for one in tensors)

    assert kept(2) == kept(2000)


def test_names_of_a_metric_with_a_prefix(logits, labels):
    metric = ClassificationMetric(NAMES, prefix="test")
    metric.process(None, rows_of(logits, labels, range(IMAGES)))
    assert metric.evaluate(IMAGES).keys() == {"test/accuracy", "test/accuracy_local"}


def test_scores_of_a_learner_that_its_logits_are_enough_for(root, tiny_options):
    learner = build_learner(root / "configs/coop/vitb16_16shot.py", NAMES, tiny_options)
    assert scores_of_logits(learner).keys() == {"Energy", "Entropy", "MSP", "MaxLogit"}
