"""What acts inside the lite backbone: MiniLM, and EfficientNet with its norms."""

import copy

import pytest
import torch
from torch.func import functional_call
from torch.testing import assert_close
from towers.point_cases import low_rank, merged, other_norms

from plp.backbones import LiteBackbone
from plp.errors import ConfigError
from plp.learners.class_names import name_tokens
from plp.prompts import TemplatePrompt
from plp.towers.points import ExtraTokens, TowerPoints
from plp.tuners import LowRank, TextContext, TrainableNorms

TOLERANCE = {"atol": 1e-5, "rtol": 1e-4}
CONVOLUTIONS = ("conv_pw", "conv_pwl", "conv_head")
NAMES = ("cat", "old oak tree", "red car")


@pytest.fixture(scope="module")
def backbone():
    return LiteBackbone(image_size=64)


@pytest.fixture(scope="module")
def images():
    return torch.randn(3, 3, 64, 64, generator=torch.Generator().manual_seed(0)).clamp(-1, 1)


@pytest.fixture(scope="module")
def prompts(backbone):
    prompt = TemplatePrompt(["a photo of a {}."], embed_words=backbone.embed_words)
    return prompt(name_tokens(NAMES, backbone.embed_words))


def near(found, expected):
    assert float((found - expected).detach().norm() / expected.detach().norm()) <= 1e-5


def test_the_parts_have_names(backbone):
    image, text = backbone.inside("image"), backbone.inside("text")
    assert len(image.layers()) == 16
    assert len(image.matrices()) == 1 + 15 * 2 + 1  # the first block has one, conv_head is behind
    assert image.matrices()["blocks.1.conv_pw"].shape == (96, 16)
    assert image.matrices()["conv_head"].shape == (1280, 320)
    assert {"bn1", "bn2", "blocks.0.bn1", "blocks.15.bn3"} <= set(image.norms())
    parts = {name.rpartition(".")[2] for name in text.matrices()}
    assert parts == {"q", "k", "v", "o", "fc1", "fc2"}
    assert {"norm_pre", "blocks.5.norm1", "blocks.5.norm2"} == {
        name for name in text.norms() if "." not in name or name.startswith("blocks.5")
    }


@torch.no_grad()
def test_what_is_switched_off_gives_the_folded_features(backbone, images, prompts):
    frozen, text = backbone.encode_image(images, ["grid"]), backbone.encode_text(prompts)
    lora = LowRank(backbone, "image", CONVOLUTIONS)
    norms = TrainableNorms(backbone, "image", ("*bn*",))
    for points in (TowerPoints(), lora.image_points(), norms.image_points()):
        found = backbone.encode_image(images, ["grid"], points)
        near(found.pooled, frozen.pooled)
        near(found.dense["grid"], frozen.dense["grid"])
        assert found.grid == frozen.grid
    context = TextContext(torch.arange(3), lambda name: None)
    for tuner in (LowRank(backbone, "text", ("*",)), TrainableNorms(backbone, "text")):
        for training in (True, False):
            points = tuner.train(training).text_points(context)
            assert torch.equal(backbone.encode_text(prompts, points), text)


def test_updates_and_norms_are_those_of_the_network_with_other_weights(backbone, images):
    tower = backbone.inside("image")
    updates = low_rank(tower)
    for update in updates.values():
        update.scale = 0.03
    weights, own = other_norms(tower, tower.network)
    changed = {}
    for name, update in updates.items():
        key = next(
            k for k, m in tower.network.named_modules() if m is tower.matrices()[name].module
        )
        weight = tower.matrices()[name].module.weight
        changed[f"{key}.weight"] = weight + update.matrix()[..., None, None]
    given = {n: 1 + 0.1 * w if n.endswith("weight") else 0.1 * w for n, w in weights.items()}
    own = dict(zip(own, given.values(), strict=True))
    network = copy.deepcopy(tower.network)
    network.forward = network.forward_features
    expected = functional_call(network, {**changed, **own}, (images,))
    expected = (expected.flatten(2).transpose(1, 2) - backbone.image_centre).mean(1)
    found = backbone.encode_image(images, points=TowerPoints(updates=updates, weights=given)).pooled
    near(found, expected)
    leaves = [t for u in updates.values() for t in (u.down, u.up)]
    leaves += list(weights.values())
    grads = [
        torch.autograd.grad(x.square().sum(), leaves, retain_graph=True) for x in (found, expected)
    ]
    for one, other in zip(*grads, strict=True):
        assert_close(one, other, atol=1e-4 * float(other.abs().max()), rtol=1e-3)


def test_updates_of_minilm_are_bert_with_the_product_in_its_weights(backbone, prompts):
    tower = backbone.inside("text")
    updates = low_rank(tower)
    for update in updates.values():
        update.scale = 0.03
    found = backbone.encode_text(prompts, TowerPoints(updates=updates))
    changed = merged(tower, tower.module, updates)
    other = copy.deepcopy(backbone)
    with torch.no_grad():
        for name, value in changed.items():
            other.text_tower.bert.get_parameter(name).copy_(value)
    near(found, other.encode_text(prompts))
    assert not torch.allclose(found, backbone.encode_text(prompts), atol=1e-3)


def test_statistics_stay_in_training(backbone, images):
    before = {n: b.clone() for n, b in backbone.inside("image").network.named_buffers()}
    norms = TrainableNorms(backbone, "image", ("bn1", "bn2", "bn3")).train()
    backbone.train()
    backbone.encode_image(images, points=norms.image_points()).pooled.square().sum().backward()
    assert all(p.grad.abs().sum() > 0 for p in norms.parameters())
    after = dict(backbone.inside("image").network.named_buffers())
    assert all(torch.equal(value, after[name]) for name, value in before.items())


@torch.no_grad()
def test_what_is_written_is_folded(backbone, images):
    tuner = LowRank(backbone, "image", CONVOLUTIONS)
    norms = TrainableNorms(backbone, "image", ("*bn*",))
    generator = torch.Generator().manual_seed(0)
    for parameter in [*tuner.parameters(), *norms.parameters()]:
        parameter.add_(0.05 * torch.randn(parameter.shape, generator=generator))
    updates = tuner.eval().image_points().updates
    points = TowerPoints(updates=updates, weights=norms.image_points().weights)
    expected = backbone.encode_image(images, points=points).pooled
    frozen = backbone.encode_image(images).pooled
    own = copy.deepcopy(backbone)
    assert own.write("image", points)
    near(own.encode_image(images).pooled, expected)
    assert torch.equal(backbone.encode_image(images).pooled, frozen)


def test_the_fingerprint_stays_and_changed_weights_are_refused(backbone):
    fresh = LiteBackbone(image_size=64)
    before, state = fresh.fingerprint, set(fresh.state_dict())
    fresh.inside("image")
    assert fresh.fingerprint == before == backbone.fingerprint
    assert state < set(fresh.state_dict())
    changed = LiteBackbone(image_size=64)
    with torch.no_grad():
        next(changed.image_tower.parameters()).mul_(2.0)
    with pytest.raises(ConfigError, match="weights were changed since they were read"):
        changed.inside("image")
    changed.inside("text")


def test_tokens_are_refused(backbone, images, prompts):
    points = TowerPoints({"x": ExtraTokens({1: torch.zeros(2, 384)})})
    with pytest.raises(ConfigError, match=r"convolutional network without tokens.*conv_head"):
        backbone.encode_image(images, points=points)
    with pytest.raises(ConfigError, match=r"runs its BertModel as a whole"):
        backbone.encode_text(prompts, points)
