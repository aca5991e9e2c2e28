"""An explanation knows whether its plan has converged, and pictures of it say so."""

import numpy as np
import pytest
from matplotlib.text import Text
from PIL import Image
from tiny_runs import CLASSES

from plp.api import Classifier
from plp.engine.build import build_learner
from plp.transforms import ClipEval
from plp.visualization import (
    Explained,
    draw_class_comparison,
    draw_explanation,
    draw_plan_matrices,
    draw_sheet,
)

HARD = {"epsilon": 1e-5, "max_iterations": 4}


@pytest.fixture(scope="module")
def classifier(root, tiny_options):
    """Build an untrained classifier with settings of the aligner."""

    def build(method="sotglp", **settings):
        options = {f"model.branches.local.aligner.{key}": v for key, v in settings.items()}
        path = root / f"configs/{method}/vitb16_16shot.py"
        learner = build_learner(path, CLASSES, tiny_options | options)
        return Classifier(learner, ClipEval(learner.backbone.image_size), {})

    return build


def words(figure):
    return " ".join(text.get_text() for text in figure.findobj(Text))


def figures(found, image):
    shown = Explained(image, found, found.class_name)
    return [draw_explanation(shown), draw_class_comparison([shown]), draw_plan_matrices([shown]),
            draw_sheet([shown, shown])]  # fmt: skip


@pytest.mark.parametrize("chunk", [None, 1])
def test_one_that_has_not_converged(classifier, paths, chunk):
    clf = classifier(**HARD)
    clf.learner.branches["local"].class_chunk = chunk
    for name in CLASSES:
        found = clf.explain(paths[0], name)
        rows = found.plan.sum(1)
        assert found.converged is False
        assert found.row_error == pytest.approx(np.abs(rows - 1 / len(rows)).sum(), abs=1e-5)
    *each, sheet = figures(found, Image.open(paths[0]))
    for figure in (*each, sheet):
        assert f"not converged, row sums off by {found.row_error:.2g}" in words(figure)
    assert "2 of 2 plans not converged" in words(sheet)
    assert "Raise max_iterations or epsilon" in words(sheet)


def test_one_that_has(classifier, paths):
    found = classifier().explain(paths[0], "bee")
    assert found.converged is True
    assert found.row_error < 1e-4
    assert "converged" not in " ".join(map(words, figures(found, Image.open(paths[0]))))


def test_an_aligner_that_solves_nothing(classifier, paths):
    found = classifier("gallop").explain(paths[0], "bee")
    assert (found.converged, found.row_error) == (None, None)
