"""Explanations are the branch's own numbers, put where they belong."""

import numpy as np
import pytest
import torch
from PIL import Image
from tiny_runs import CLASSES

from plp.api import Classifier
from plp.engine.build import build_learner
from plp.errors import ConfigError, DataError
from plp.transforms import ClipEval


@pytest.fixture(scope="module", params=["sotglp", "gallop", "plot"])
def other(request, root, tiny_options):
    """An untrained classifier: one shared support, one a prompt of growing size, all patches."""
    learner = build_learner(
        root / f"configs/{request.param}/vitb16_16shot.py", CLASSES, tiny_options
    )
    return Classifier(learner, ClipEval(learner.backbone.image_size), {})


def test_numbers_are_those_of_the_evidence(other, paths):
    found = other.explain(paths[0], "bee")
    branch = other.learner.branches[found.branch]
    with torch.no_grad():
        pixels = other.transform(Image.open(paths[0]))[None]
        evidence = other.learner.evidence(pixels, patch_scores=True)[found.branch]
    plan, similarity = evidence.plan[0, 1].numpy(), evidence.similarity[0, 1].numpy()
    N = len(found.prompts)
    assert found.plan.sum() == pytest.approx(1, abs=1e-4)
    np.testing.assert_allclose(found.plan, plan, atol=1e-6)
    at_support = found.similarity.reshape(N, -1)[np.arange(N), found.support]
    np.testing.assert_allclose(at_support, similarity, atol=1e-5)
    np.testing.assert_allclose(
        found.mean_similarity.ravel(), evidence.patch_scores[0, :, 1], atol=1e-5
    )
    assert found.score == pytest.approx(float(evidence.scores[0, 1]))
    assert found.grid == found.similarity.shape[1:] == (6, 6)
    assert found.image_size == (50, 40)
    assert found.crop == other.transform.geometry(50, 40)
    kept = getattr(branch.selector, "k", 36)
    kept = [min(k, 36) for k in (kept if isinstance(kept, tuple) else [kept] * N)]
    assert found.kept.sum(0).tolist() == kept * (N // len(kept))


def test_plan_maps_hold_all_mass_on_the_support(other, paths):
    found = other.explain(paths[3], "cat")
    maps = found.plan_maps
    assert np.nansum(maps) == pytest.approx(1, abs=1e-4)
    for n, one in enumerate(maps):
        inside = found.support[found.kept[:, n], n]
        assert sorted(np.flatnonzero(np.isfinite(one.ravel()))) == sorted(inside)
        for k in np.flatnonzero(found.kept[:, n]):
            assert one.ravel()[found.support[k, n]] == found.plan[k, n]


def test_top_patches_have_the_most_mass_and_a_uniform_plan_has_none(other, paths):
    found = other.explain(paths[5])
    for n, one in enumerate(found.plan_maps):
        top = found.top_patches(n)
        rest = np.delete(one.ravel(), top)
        assert not top or one.ravel()[top].min() >= np.nanmax(rest)
    flat = found._replace(plan=np.full_like(found.plan, 1 / found.plan.size))
    assert [flat.top_patches(n) for n in range(len(found.prompts))] == [[]] * len(found.prompts)
    spiked = flat._replace(plan=flat.plan + np.eye(*flat.plan.shape) * 0.5)
    assert spiked.top_patches(0) == [int(found.support[0, 0])]


def test_without_a_class_it_is_the_predicted_one(clf, paths):
    for path in paths[::7]:
        assert clf.explain(path).class_name == clf.predict(path)[0].label


def test_prompts_are_told_with_the_class(clf, paths):
    assert clf.explain(paths[0], "bee").prompts == ("[v] [v] [v] [v] bee",) * 4


def test_methods_without_patches_say_so(root, tiny_options, paths):
    learner = build_learner(root / "configs/coop/vitb16_16shot.py", CLASSES, tiny_options)
    clf = Classifier(learner, ClipEval(learner.backbone.image_size), {})
    with pytest.raises(
        ConfigError, match=r"compares whole images only \(global \(GlobalBranch\)\)"
    ):
        clf.explain(paths[0])


def test_what_is_asked_for_must_be_there(clf, paths):
    with pytest.raises(ConfigError, match="expected a class among 'ant', 'bee', 'cat', got 'dog'"):
        clf.explain(paths[0], "dog")
    with pytest.raises(ConfigError, match=r"compares patches \(local\), got 'global'"):
        clf.explain(paths[0], branch="global")
    with pytest.raises(DataError, match="expected one image to explain, got 2"):
        clf.explain(paths[:2])
