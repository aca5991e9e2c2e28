"""Fixed prompts that tuners act on from a later block: a step begins in front of that block."""

import pytest
import torch
from learners.own_tuner import OwnTuner
from mmengine.config import ConfigDict
from torch import nn
from torch.testing import assert_close

from plp.config.load import load_config, merge_options
from plp.engine.build import local_seed
from plp.learners import text_starts
from plp.learners.text_starts import TextStarts
from plp.prompts.base import cut_prompts
from plp.registry import MODELS
from plp.towers.points import ExtraTokens, ReplacedTokens, TowerPoints
from plp.towers.text_causal import CausalText
from plp.tuners import Tuner

CLASSES = ("cat", "old oak tree", "red car", "dog", "golden retriever")
LABELS = torch.tensor([0, 2])


class ClassTokens(Tuner):
    """Own tokens of the texts, replaced before the last block by tokens of each class."""

    acts_on_texts = True

    def __init__(self, backbone, num_classes):
        super().__init__()
        inside = backbone.inside("text")
        self.block = len(inside.layers()) - 1
        self.tokens = nn.Parameter(torch.randn(num_classes, 1, 2, inside.width))

    def text_points(self, texts):
        tokens = self.tokens[texts.classes]
        return TowerPoints(replaced=[ReplacedTokens(1, {self.block: tokens})])


@pytest.fixture
def build(root, backbone):
    def builder(tuner, options=None, name="zeroshot"):
        config = load_config(root / "configs" / name / "vitb16_16shot.py")
        merge_options(config, options or {})
        model = {**config.model.to_dict(), "backbone": backbone, "tuners": {"own": tuner}}
        with local_seed(1):
            return MODELS.build(ConfigDict(model), class_names=CLASSES).train()

    return builder


@pytest.fixture
def blocks_run(monkeypatch):
    """Count the passes through each block of the text tower."""
    counts = []
    run = CausalText._block

    def counted(self, block, x, places):
        counts.append(len(x))
        return run(self, block, x, places)

    monkeypatch.setattr(CausalText, "_block", counted)
    return counts


def step(learner, seed=0):
    learner.zero_grad()
    torch.manual_seed(seed)
    texts = torch.cat([text.flatten() for text in learner.encode_text().values()])
    (texts * torch.linspace(-1, 1, len(texts))).sum().backward()
    return texts.detach(), [p.grad.clone() for p in learner.parameters() if p.grad is not None]


@pytest.mark.parametrize("kind", [OwnTuner, ClassTokens])
@pytest.mark.parametrize("options", [{}, {"model.text_chunk": 2}, {"model.precision": "bf16"}])
def test_same_texts_and_gradients_from_fewer_blocks(
    build, backbone, blocks_run, monkeypatch, kind, options
):
    keywords = dict(num_classes=len(CLASSES)) if kind is ClassTokens else dict(dropout=0.5)
    torch.manual_seed(0)
    learner = build(kind(backbone, **keywords), options)
    with monkeypatch.context() as patch:
        patch.setattr(text_starts, "first_text_block", lambda *_: 0)
        expected, grads = step(learner)
        whole = len(blocks_run)
    for later in (False, True):
        blocks_run.clear()
        found, own = step(learner)
        assert_close(found, expected, rtol=1e-6, atol=1e-6)
        assert grads
        for grad, other in zip(own, grads, strict=True):
            assert_close(grad, other, rtol=1e-5, atol=1e-6)
        if later:
            assert len(blocks_run) < whole


def test_what_is_kept_follows_classes_and_weights(build, backbone, blocks_run):
    learner = build(OwnTuner(backbone))

    def passes():
        blocks_run.clear()
        step(learner)
        return len(blocks_run)

    first, later = passes(), passes()
    assert later < first
    learner.set_class_names(["bird", "boat"])
    assert passes() == first
    assert passes() == later
    before, _ = step(learner)
    weight = backbone.inside("text").layers()[0].mlp.c_proj.bias
    kept = weight.clone()
    with torch.no_grad():
        weight += torch.randn_like(weight)
    try:
        after, _ = step(learner)
        assert not torch.allclose(before, after, atol=1e-4)
    finally:
        with torch.no_grad():
            weight.copy_(kept)


def test_learned_prompts_are_not_kept(build, backbone, blocks_run):
    learner = build(OwnTuner(backbone), name="coop")
    step(learner)
    first = len(blocks_run)
    blocks_run.clear()
    step(learner)
    assert len(blocks_run) == first
    assert not learner._texts._starts


def test_texts_beyond_the_bound_are_encoded_from_their_tokens(backbone):
    names = backbone.embed_words(CLASSES)
    from plp.prompts import TemplatePrompt

    prompt = TemplatePrompt(templates="one", embed_words=backbone.embed_words)
    tokens = torch.randn(1, backbone.token_dim)
    points = TowerPoints({"own": ExtraTokens({1: tokens})})
    starts = TextStarts(key=None, most_bytes=1)
    make = lambda: cut_prompts(prompt(names), 4096)  # noqa: E731
    assert starts.encode(backbone, range(5), make, points) is not None
    assert starts.encode(backbone, range(4), make, points) is None
    assert starts.encode(backbone, range(5), make, points) is not None
    early = TowerPoints({"own": ExtraTokens({0: tokens})})
    assert starts.encode(backbone, range(5), make, early) is None


def test_texts_that_no_tuner_reaches_are_kept_while_training(build, backbone):
    tuner = OwnTuner(backbone)
    tuner.acts_on_texts = False
    learner = build(tuner)
    before = learner.encode_text()["global"]
    assert not before.requires_grad
    assert learner.encode_text()["global"] is before
