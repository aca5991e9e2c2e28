"""Runs whose image tower is tuned: what lies in front of the tuned blocks is encoded once."""

import json
import logging
import re

import pytest
import torch
from engine.test_feature_cache import PLAIN, SHORT, assert_same_numbers, told
from learners.own_tuner import OwnTuner
from representatives import slow_but
from tiny_runs import read_result
from torch import nn

from plp.config.data_options import DataOptions
from plp.config.load import load_config
from plp.datasets import ImageDataset, Item
from plp.engine.build import build_learner
from plp.errors import ConfigError
from plp.features.kept_parts import kept_parts, mebibytes_per_view
from plp.ood.cache import store_features
from plp.ood.stream import Scoring, score_images
from plp.registry import SCORES, TUNERS
from plp.towers import image_pass
from plp.towers.points import ExtraTokens, TowerPoints
from plp.transforms import ClipEval
from plp.tuners import Tuner

TUNED = "model['tuners'] = dict(own=dict(type={!r}))\n"
VIEWS = "data['views'] = {}\n"
OWN = PLAIN + TUNED.format("OwnTuner")


@TUNERS.register_module(force=True)
class FirstBlockTuner(Tuner):
    """A token in front of the first block."""

    acts_on_images = True

    def __init__(self, backbone):
        super().__init__()
        self.token = nn.Parameter(torch.randn(1, backbone.inside("image").width))

    def image_points(self):
        return TowerPoints({"own": ExtraTokens({0: self.token})})


FIRST = PLAIN + TUNED.format("FirstBlockTuner")
KINDS = {  # lines of the config; what of 12 training, 6 validation, 18 test images goes to disk
    "prefix": (OWN, 36),
    "prefix of fixed views": (SHORT + TUNED.format("OwnTuner") + VIEWS.format(2), 48),
    "random views": (SHORT + TUNED.format("OwnTuner"), 24),
    "frozen features": (FIRST, 24),
}


@pytest.fixture(scope="module")
def configs(config_with):
    return {kind: config_with(lines) for kind, (lines, _) in KINDS.items()}


@pytest.fixture
def blocks_run(monkeypatch):
    """Count the images that run through each block of an image tower."""
    counts = {}
    run = image_pass.ImagePass._block

    def counted(self, block, index, first, read, x, dense):
        counts[index] = counts.get(index, 0) + len(x)
        return run(self, block, index, first, read, x, dense)

    monkeypatch.setattr(image_pass.ImagePass, "_block", counted)
    return counts


def notes_of(folder):
    return [note for note in read_result(folder)["notes"] if "tuners act" in note]


NOTES = {  # what the note says of each kind
    "prefix": (r"from block 1 on \(of ", r"MiB per view: train, val, test \("),
    "prefix of fixed views": ("from block 1 on",),
    "random views": ("of training images nothing is kept", "MiB per view: val, test"),
    "frozen features": ("kept: the frozen tower's features of val, test$",),
}


@pytest.mark.parametrize("kind", slow_but(("prefix", "random views"), KINDS))
def test_on_disk_the_numbers_are_those_without_a_cache(
    kind, configs, train_tool, tmp_path, blocks_run
):
    config, total = configs[kind], KINDS[kind][1]
    assert train_tool(config=config, work_dir=tmp_path / "without").status == 0
    assert notes_of(tmp_path / "without") == []
    cache = ("--cfg-options", f"data.feature_cache={tmp_path / 'cache'}")
    for name, known in (("first", 0), ("second", total)):
        blocks_run.clear()
        ended = train_tool(*cache, config=config, work_dir=tmp_path / name)
        assert ended.status == 0, ended.err
        assert told(ended.out) == (total, known, total - known)
        assert_same_numbers(tmp_path / name, tmp_path / "without", exact=False)
        assert len(notes_of(tmp_path / name)) == 1
        notes = read_result(tmp_path / name)["notes"]
        for part in NOTES[kind]:
            assert any(re.search(part, note) for note in notes), (part, notes)
    if kind.startswith("prefix"):
        assert blocks_run.get(0, 0) == 1  # the black image that says how large a prefix is
        assert blocks_run[1] > 12


@pytest.mark.parametrize("lines", slow_but((OWN,), (OWN, FIRST)))
def test_in_memory_likewise(lines, config_with, train_tool, tmp_path):
    config = config_with(lines + VIEWS.format(1))
    memory = ("--cfg-options", "data.cache_features=True")
    assert train_tool(config=config, work_dir=tmp_path / "without").status == 0
    assert train_tool(*memory, config=config, work_dir=tmp_path / "with").status == 0
    assert_same_numbers(tmp_path / "with", tmp_path / "without", exact=False)


def test_no_room_is_noted(configs, train_tool, tmp_path):
    options = (f"data.feature_cache={tmp_path / 'cache'}", "data.prefix_cache=0")
    ended = train_tool("--cfg-options", *options, config=configs["prefix"])
    assert ended.status == 0, ended.err
    notes = read_result(tmp_path / "work")["notes"]
    left_out = [note for note in notes if "data.prefix_cache=0 MiB" in note]
    assert [note.split(":")[0] for note in left_out] == ["train", "val", "test"]


@pytest.fixture
def learner(configs):
    torch.manual_seed(0)
    config = load_config(configs["prefix"])
    return build_learner(config, ("ant", "bee", "cat"), seed=1)


def test_parts_get_room_in_their_order(learner, photos):
    fit = int(1 / mebibytes_per_view(learner))  # in a MiB
    items, size = [Item("x", 0)] * fit, ClipEval(learner.backbone.image_size[0])
    images = ImageDataset(items, photos, size)
    parts = {"train": 0.6, "val": 0.6, "test": 0.2}
    parts = {part: images.only(range(int(share * fit))) for part, share in parts.items()}
    kept = kept_parts(parts, learner, 1, limit=1, asked=parts)
    assert kept.parts == ("train", "test")
    assert kept_parts(parts, learner, 1, limit=1, asked=["test"]).parts == ("test",)


@pytest.mark.slow
def test_another_block_is_another_store(configs, train_tool, tmp_path, config_with):
    cache = ("--cfg-options", f"data.feature_cache={tmp_path / 'cache'}")
    for name in ("prefix", "frozen features"):
        ended = train_tool(*cache, config=configs[name], work_dir=tmp_path / name)
        assert ended.status == 0
    plain = train_tool(*cache, config=config_with(PLAIN), work_dir=tmp_path / "plain")
    assert told(plain.out)[1] == 0
    settings = [
        json.loads(path.read_text()) for path in (tmp_path / "cache").glob("*/settings.json")
    ]
    prefixes = [one["prefix"] for one in settings if "prefix" in one]
    assert prefixes == [{"block": 1, "streams": ["vv"]}]  # references have no streams


@pytest.mark.parametrize("lines", [OWN, FIRST])
def test_ood_scores_are_those_of_images(lines, config_with, photos, tmp_path, caplog):
    config = load_config(config_with(lines))
    learner = build_learner(config, ("ant", "bee", "cat"), seed=1).eval()
    paths = sorted(photos.glob("*/*.png"))[:7]
    items = [Item(str(path.relative_to(photos)), 0) for path in paths]
    images = ImageDataset(items, photos, ClipEval(learner.backbone.image_size[0]))
    score = Scoring(SCORES.build(dict(type="MSP", logit_scale=1.0)))
    reference = Scoring(SCORES.build(dict(type="MSP", logit_scale=1.0)), "zero_shot")
    scorings = {"own": score, "frozen": reference}
    options = dict(batch_size=4, num_workers=0)
    caplog.set_level(logging.INFO, logger="plp")
    stored = store_features(learner, images, tmp_path, 4, 0)
    assert any("tuners act on the image tower" in one.message for one in caplog.records)
    found = score_images(learner, scorings, images, stored=stored, **options)
    expected = score_images(learner, scorings, images, **options)
    for name in scorings:
        torch.testing.assert_close(found.scores[name], expected.scores[name], rtol=1e-5, atol=1e-6)


def test_room_is_a_whole_number(config_with):
    config = load_config(config_with())
    config.data["prefix_cache"] = -1
    with pytest.raises(ConfigError, match=r"data.prefix_cache to be an integer >= 0"):
        DataOptions.of(config)
    assert OwnTuner.acts_on_images
