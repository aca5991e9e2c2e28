"""Scores of validation images: those of the images themselves, whatever they were computed from."""

import pytest
import torch
from tiny_runs import CLASSES

from plp.checkpoints.checkpoint import load_checkpoint, restore
from plp.config.load import Choices
from plp.datasets import ImageDataset
from plp.engine.build import build_learner
from plp.engine.setup import set_up
from plp.registry import SCORES
from plp.scoring.validation import scores_of, usual_score
from plp.transforms import ClipEval

# The tiny backbone has no bias of logits.
WITHOUT_BIAS = [name for name in SCORES.names() if not SCORES.get(name).needs_bias]


@pytest.fixture(scope="module")
def learner(tiny_config, trained):
    found = build_learner(tiny_config, CLASSES)
    restore(found, load_checkpoint(trained))
    return found


def test_every_score_of_each_validation_image_is_saved(tiny_config, trained, photos, learner):
    few = set_up(tiny_config, Choices("folder", str(photos)), "cpu").few
    images = ImageDataset(few.val, few.root, ClipEval(learner.backbone.image_size))
    with torch.no_grad():
        pixels = torch.stack([images[i]["images"] for i in range(len(images))])
        evidence = learner.evidence(pixels, patch_scores=True)
    saved = load_checkpoint(trained).validation_scores
    assert sorted(saved) == WITHOUT_BIAS
    for name, score in scores_of(learner).items():
        torch.testing.assert_close(saved[name], score(evidence), atol=1e-4, rtol=1e-4)


def test_scores_of_patches_are_left_out_without_patches(root, tiny_options):
    blind = build_learner(root / "configs/coop/vitb16_16shot.py", CLASSES, tiny_options)
    found = scores_of(blind)
    assert {*WITHOUT_BIAS} - {*found} == {"GlobalLocalMCM", "LocalMCM"}
    assert usual_score(found) == "MCM"


def test_published_score_is_the_usual_one(learner):
    assert usual_score(scores_of(learner)) == "GlobalLocalMCM"
