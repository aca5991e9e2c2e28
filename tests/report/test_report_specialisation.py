"""How alike prompts are: of their texts, and of where their plans put mass."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from plp.datasets.base import Item
from plp.engine.build import build_learner
from plp.evaluation import classification_report, outcomes
from plp.inference import Explanation
from plp.report.specialisation import overlaps, some_of_each_class, text_cosines
from plp.report.tested import keep

CLASSES = ("ant", "bee", "cat")


def explanation(support, plan, kept=None):
    """An explanation on a grid of 2 x 3 patches."""
    support, plan = np.array(support), np.array(plan, np.float32)
    N = plan.shape[1]
    return Explanation(
        name="x", class_name="ant", branch="local", prompts=("p",) * N, grid=(2, 3),
        support=support, kept=np.ones_like(plan, bool) if kept is None else np.array(kept),
        plan=plan, similarity=np.zeros((N, 2, 3), np.float32), score=0.0, image_size=(8, 8),
        crop=None,
    )  # fmt: skip


def test_overlap_of_one_support():
    found = overlaps([explanation([[0, 0], [4, 4]], [[0.5, 0.1], [0.0, 0.4]])])
    np.testing.assert_allclose(found, [[1, 0.2], [0.2, 1]], atol=1e-6)


def test_overlap_goes_by_patches_where_each_prompt_has_a_support_of_its_own():
    """Ranks say nothing: the first patch of one prompt is the second of the other."""
    same = explanation([[0, 4], [4, 0]], [[0.3, 0.2], [0.2, 0.3]])
    apart = explanation([[0, 1], [4, 5]], [[0.3, 0.3], [0.2, 0.2]])
    np.testing.assert_allclose(overlaps([same]), np.ones((2, 2)), atol=1e-6)
    np.testing.assert_allclose(overlaps([apart]), np.eye(2), atol=1e-6)
    np.testing.assert_allclose(overlaps([same, apart])[0, 1], 0.5, atol=1e-6)


def test_pairs_that_do_not_count_and_prompts_without_mass():
    cut = explanation([[0, 0], [4, 4]], [[1.0, 0.0], [0.0, 0.0]], [[True, True], [False, True]])
    found = overlaps([cut])
    assert found[0, 0] == 1
    assert np.isnan(found[0, 1])
    whole = explanation([[0, 0], [4, 4]], [[0.5, 0.5], [0, 0]])
    np.testing.assert_allclose(overlaps([cut, whole])[0, 1], 1.0)


def pretended(labels, names):
    labels = torch.tensor(labels)
    found = outcomes({"fused": torch.zeros(len(labels), len(names))}, labels)
    items = [Item(f"{i}.png", int(label)) for i, label in enumerate(labels)]
    return keep(classification_report(found, names), items, names)


def test_images_looked_at_are_of_all_classes_in_turn():
    found = pretended([0, 0, 0, 1, 2, 2], ["a", "b", "c"])
    assert some_of_each_class(found, 5) == [0, 3, 4, 1, 5]
    assert some_of_each_class(found, 50) == [0, 3, 4, 1, 5, 2]


def test_of_many_classes_some_that_lie_evenly_among_them():
    found = pretended(list(range(100)) * 2, [f"class {i}" for i in range(100)])
    assert some_of_each_class(found, 4) == [0, 25, 50, 75]


def test_a_shared_name_means_the_first_class():
    assert some_of_each_class(pretended([0, 1, 2], ["a", "b", "a"]), 5) == [0, 1]


@pytest.fixture
def learner_of(root, tiny_options):
    return lambda method: build_learner(
        root / f"configs/{method}/vitb16_16shot.py", CLASSES, tiny_options
    )


def test_text_cosines(learner_of):
    learner = learner_of("sotglp")
    found = text_cosines(learner)
    assert found.keys() == {"global", "local"}
    with torch.no_grad():
        texts = learner.encode_text()["local"]  # [C, N, E]
    pair = F.cosine_similarity(texts[:, 0], texts[:, 2], dim=-1).mean()
    np.testing.assert_allclose(found["local"][0, 2], pair.item(), atol=1e-5)
    np.testing.assert_allclose(found["local"].diagonal(), 1, atol=1e-5)
    np.testing.assert_allclose(found["local"], found["local"].T, atol=1e-6)


@pytest.mark.parametrize("method", ["coop", "cocoop", "linear_probe"])
def test_one_prompt_or_none_has_nothing_to_be_alike_to(learner_of, method):
    assert text_cosines(learner_of(method)) == {}
