"""What all tests share: how many processes run them, the repository, and tiny models.

torch is imported by the fixtures, not here: the process that hands out tests runs without it.
"""

import os
import shutil
import tempfile
from pathlib import Path

import pytest
from durations import Durations
from workers import workers_for

ROOT = Path(__file__).parents[1]


@pytest.hookimpl(tryfirst=True, optionalhook=True)
def pytest_xdist_auto_num_workers(config):
    """Return how many processes `-n auto` is; each has one thread."""
    found = workers_for(config.args)
    if found:
        os.environ.setdefault("OMP_NUM_THREADS", "1")
    return found


def pytest_configure(config):
    """Measure tests where their reports come together; give each process a cache of its own."""
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(Durations(getattr(config, "cache", None)))
    users = Path(os.environ.get("PLP_CACHE_DIR") or "~/.cache/plp").expanduser()
    own = Path(tempfile.mkdtemp(prefix="plp-tests-cache-"))
    config.add_cleanup(lambda: shutil.rmtree(own, ignore_errors=True))
    for fitted in users.glob("lite-*.safetensors"):  # which takes seconds to make
        shutil.copy(fitted, own)
    os.environ["PLP_CACHE_DIR"] = str(own)


@pytest.fixture(scope="session")
def root():
    """Folder of the repository."""
    return ROOT


@pytest.fixture(scope="session")
def tiny_file(tmp_path_factory):
    """The weights file of the parity fixtures: a plain state dict in OpenAI's layout."""
    from plp.testing.clip_weights import TINY, write_clip_weights

    return write_clip_weights(tmp_path_factory.mktemp("weights") / "tiny.pt", TINY, seed=0)


@pytest.fixture(scope="session")
def tiny_options(tiny_file):
    """Options that turn a ViT-B/16 config into the tiny seeded CLIP of the parity fixtures."""
    from plp.testing.clip_weights import TINY

    return {
        "model.backbone.arch": "tiny",
        "model.backbone.pretrained": str(tiny_file),
        "model.backbone.model_config": TINY.model_config(),
    }


@pytest.fixture
def every_set_is_large(monkeypatch):
    """Let `data.num_workers` processes decode, as of a large set, however small it is."""
    monkeypatch.setattr("plp.datasets.decoders.SMALL", -1.0)
