"""Scoring in bounded memory, whatever the batches; which scores a learner can have."""

import weakref

import pytest
import torch
from tiny_runs import CLASSES
from torch.testing import assert_close

from plp.config.load import load_config
from plp.datasets import Folder, ImageDataset
from plp.engine.build import build_learner
from plp.errors import ConfigError
from plp.ood.stream import look, score_images
from plp.registry import SCORES
from plp.scores import GlobalLocalMCM, Score
from plp.scoring.choose import choose_scores, settings_of
from plp.transforms import ClipEval


@pytest.fixture(scope="module")
def learner(tiny_config):
    return build_learner(tiny_config, CLASSES)


@pytest.fixture(scope="module")
def images(learner, photos):
    parts = Folder(photos).splits()
    transform = ClipEval(learner.backbone.image_size)
    return ImageDataset(parts.test, parts.root, transform)


def scored(learner, images, batch_size, **more):
    scorings = choose_scores(learner)
    return score_images(
        learner, scorings, images, batch_size=batch_size, num_workers=0, labelled=True, **more
    )


def test_batches_play_no_part(learner, images):
    one, other = (scored(learner, images, size, export=True) for size in (1, 7))
    assert one.indices.tolist() == other.indices.tolist() == list(range(len(images)))
    for name, value in one.scores.items():
        assert value.shape == (len(images),)
        assert_close(value, other.scores[name], rtol=1e-4, atol=1e-5)
    for line, judged in one.judged.items():
        assert_close(judged.nll, other.judged[line].nll, rtol=1e-4, atol=1e-4)
    assert_close(one.export.pooled, other.export.pooled, rtol=1e-4, atol=1e-4)


def test_logits_are_those_of_the_learners_predictions(learner, images):
    found = scored(learner, images, 5, export=True)
    pixels = torch.stack([images[i]["images"] for i in range(len(images))])
    labels = torch.tensor([item.label for item in images.items])
    predicted = learner.predict(pixels, labels)
    logits = torch.stack([row["logits"] for row in predicted])
    assert_close(found.export.logits, logits, rtol=1e-4, atol=1e-4)
    for line in ("global", "local", "zero_shot"):
        right = torch.stack([row[line] for row in predicted]).argmax(-1) == labels
        assert torch.equal(found.judged[line].correct, right)


class Watched:
    """Counts how many batches of features are alive when the next one is encoded."""

    def __init__(self, learner):
        self.encode = learner.encode_image
        self.alive: list[weakref.ref] = []
        self.most_before = 0
        self.calls = 0

    def __call__(self, pixels, references=False):
        features = self.encode(pixels, references=references)
        if pixels is features:  # features pass through
            return features
        self.calls += 1
        self.most_before = max(self.most_before, sum(ref() is not None for ref in self.alive))
        tensors = [features.pooled, *features.dense.values()]
        self.alive += [weakref.ref(tensor) for tensor in tensors]
        return features


def test_no_features_outlive_their_batch(learner, images, monkeypatch):
    watched = Watched(learner)
    monkeypatch.setattr(learner, "encode_image", watched)
    scored(learner, images, 2)
    assert watched.calls == len(images) / 2
    assert watched.most_before == 0


def test_features_that_are_kept_would_be_noticed(learner, images, monkeypatch):
    watched = Watched(learner)
    monkeypatch.setattr(learner, "encode_image", watched)
    kept = [look(learner, images[i]["images"][None], [GlobalLocalMCM()]) for i in range(3)]
    assert watched.most_before >= 2, kept


def test_pooled_features_are_kept_for_export_only(learner, images, monkeypatch):
    watched = Watched(learner)
    monkeypatch.setattr(learner, "encode_image", watched)
    scored(learner, images, 2, export=True)
    dense = [ref for i, ref in enumerate(watched.alive) if i % 2]
    assert not any(ref() is not None for ref in dense)


@pytest.fixture(scope="module")
def global_only(tiny_config):
    config = load_config(tiny_config)
    config.model.branches.pop("local")
    return lambda **branch: build_learner(
        config, CLASSES, {f"model.branches.global.{k}": v for k, v in branch.items()}
    )


def test_patch_scores_need_a_branch_that_sees_patches(global_only, caplog):
    learner = global_only()
    for name in ("LocalMCM", "GlobalLocalMCM"):
        with pytest.raises(ConfigError, match=f"score {name} looks at single patches") as error:
            choose_scores(learner, ["MCM", name])
        for part in ("branches: global", "LocalBranch", "model.branches.NAME.stream", "vv"):
            assert part in str(error.value)
    with caplog.at_level("WARNING", logger="plp"):
        chosen = choose_scores(learner)
    assert {"MCM", "MSP", "zero_shot.MCM"} <= {*chosen}
    assert not {"LocalMCM", "GlobalLocalMCM"} & {*chosen}


def test_a_global_branch_with_a_stream_gives_patch_scores(global_only, images):
    learner = global_only(stream="vv")
    scorings = choose_scores(learner, ["GlobalLocalMCM", "LocalMCM"])
    assert settings_of(scorings["LocalMCM"])["dense"] == "global"
    found = score_images(learner, scorings, images, batch_size=9, num_workers=0)
    evidence = learner.evidence(images[3]["images"][None], patch_scores=True)
    expected = -evidence["global"].patch_scores.softmax(-1).amax((1, 2))
    assert_close(found.scores["LocalMCM"][3:4], expected.detach(), rtol=1e-4, atol=1e-5)
    assert found.judged == {}


@pytest.fixture
def plan_peak():
    """A user's score of the plan, registered for the test."""

    @SCORES.register_module()
    class PlanPeak(Score):
        needs_pairs = True

        def __init__(self, dense="local"):
            super().__init__()
            self.dense = dense

        def forward(self, evidence):
            return -evidence[self.dense].plan.amax((1, 2, 3))

    yield
    SCORES.module_dict.pop("PlanPeak")


def test_a_score_of_pairs_goes_where_there_are_some(plan_peak, learner, global_only, images):
    scorings = choose_scores(learner)
    assert "PlanPeak" in scorings
    assert "zero_shot.PlanPeak" not in scorings
    assert settings_of(scorings["PlanPeak"])["dense"] == "local"
    found = score_images(learner, scorings, images, batch_size=9, num_workers=0)
    plan = learner.evidence(images[3]["images"][None])["local"].plan
    assert_close(found.scores["PlanPeak"][3], -plan.detach().amax(), rtol=1e-4, atol=1e-5)
    for other in (global_only(), global_only(stream="vv")):
        assert "PlanPeak" not in choose_scores(other)
        with pytest.raises(ConfigError, match="score PlanPeak looks at pairs of patch and prompt"):
            choose_scores(other, ["PlanPeak"])


def test_scores_are_supplied_with_what_the_learner_has(learner):
    scorings = choose_scores(learner, ["Energy", "MCM", "Energy"], temperature=2.0)
    assert list(scorings) == ["Energy", "MCM", "zero_shot.Energy", "zero_shot.MCM"]
    scale = float(learner.backbone.logit_scale)
    assert settings_of(scorings["Energy"]) == {
        "score": "Energy", "reference": None,
        "temperature": 2.0, "logit_scale": scale, "fusion": learner.fusion,
    }  # fmt: skip
    assert settings_of(scorings["zero_shot.MCM"])["pooled"] == "zero_shot"
    local = choose_scores(learner, ["MCM"], pooled="local")
    assert settings_of(local["MCM"])["pooled"] == "local"
