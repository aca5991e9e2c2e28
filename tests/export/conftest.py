import gc

import pytest
from small_clip import CLASSES, SMALL, classifier_of
from small_towers import fitting
from tiny_runs import (  # noqa: F401 - fixtures
    config_with,
    photos,
    tiny_backbone,
    tiny_config,
    trained,
)
from unchecked import as_installed

import plp
from plp.api import Classifier
from plp.testing.clip_weights import write_clip_weights


@pytest.fixture(autouse=True)
def unchecked(request):
    """Without the shape checks of the test run: comparing sizes, they tie a trace to its batch.

    Traced programs are cycles that hold their weights, and few objects: Python's collector, which
    counts objects, leaves 50 MB of each lie. Long tests trace many.
    """
    with as_installed():
        yield
    if request.node.get_closest_marker("slow"):
        gc.collect()


@pytest.fixture(scope="session")
def small_options(tmp_path_factory):
    """Options that turn a ViT-B/16 config into a seeded CLIP of two layers."""
    weights = write_clip_weights(tmp_path_factory.mktemp("weights") / "small.pt", SMALL)
    return {
        "model.backbone.arch": "tiny",
        "model.backbone.pretrained": str(weights),
        "model.backbone.model_config": SMALL.model_config(),
    }


@pytest.fixture(scope="session")
def small(root, small_options):
    """Build a classifier of `configs/<name>.py` on the small CLIP."""

    def build(name: str, options=None) -> Classifier:
        path = root / "configs" / f"{name}.py"
        own = small_options | fitting(path.parent.name, SMALL.text_layers) | (options or {})
        return classifier_of(plp.build_learner(path, CLASSES, own))

    return build
