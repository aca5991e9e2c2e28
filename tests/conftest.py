"""What all tests share: the repository, tiny models, and one thread where it does not matter."""

from pathlib import Path

import pytest

from plp.testing.clip_weights import TINY, write_clip_weights

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="session")
def root():
    """Folder of the repository."""
    return ROOT


@pytest.fixture(scope="session")
def tiny_file(tmp_path_factory):
    """The weights file of the parity fixtures: a plain state dict in OpenAI's layout."""
    return write_clip_weights(tmp_path_factory.mktemp("weights") / "tiny.pt", TINY, seed=0)


@pytest.fixture(scope="session")
def tiny_options(tiny_file):
    """Options that turn a ViT-B/16 config into the tiny seeded CLIP of the parity fixtures."""
    return {
        "model.backbone.arch": "tiny",
        "model.backbone.pretrained": str(tiny_file),
        "model.backbone.model_config": TINY.model_config(),
    }


@pytest.fixture
def every_set_is_large(monkeypatch):
    """Let `data.num_workers` processes decode, as of a large set, however small it is."""
    monkeypatch.setattr("plp.datasets.decoders.SMALL", -1.0)
