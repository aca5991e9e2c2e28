"""Tokens and residuals inside transformers' towers against a plain loop over the library's layers.

Features, and the gradients of everything that acts.
"""

import pytest
import torch
from backbones.hf_folders import write_model
from backbones.layers_by_hand import Plan, image_features, text_features
from backbones.test_transformers_backbone import TEMPLATE, filled, ids_of, pixels
from representatives import slow_but
from torch.testing import assert_close
from towers.point_cases import draw
from transformers import AutoTokenizer

from plp.backbones import TransformersBackbone
from plp.towers.points import ExtraTokens, ReplacedTokens, TowerPoints

TOLERANCE = {"atol": 1e-5, "rtol": 1e-5}
IMAGES = ("clip", "metaclip_2", "altclip", "chinese_clip", "siglip", "siglip 2, naflex")
TEXTS = ("clip", "metaclip_2", "siglip", "siglip 2, fixed")  # those read block by block
FEW = ("clip", "siglip")
NAMES = ["ox", "grey owl", "kite"]
K, WIDTH = 2, 32


def image_ways(name, folder):
    """Return two ways to image features, and how many tokens stand in front of the patches."""
    model = write_model(name, folder).requires_grad_(False)
    backbone = TransformersBackbone(folder)
    batch = pixels(backbone)
    return (
        lambda plan: image_features(model, batch, plan),
        lambda points: backbone.encode_image(batch, points=points).pooled,
        backbone.image_tower.tower.prefix,
    )


def text_ways(name, folder):
    """Return two ways to text features, and how many tokens start a text."""
    model = write_model(name, folder).requires_grad_(False)
    backbone = TransformersBackbone(folder)
    prompts = filled(backbone, TEMPLATE, NAMES)
    sentences = [TEMPLATE.format(name) for name in NAMES]
    ids = ids_of(model, AutoTokenizer.from_pretrained(folder), sentences)["input_ids"]
    ends = prompts.end[:, 0]
    return (
        lambda plan: text_features(model, ids, ends, plan),
        lambda points: backbone.encode_text(prompts, points)[:, 0],
        len(backbone.text_tower.tokens.frame.start),
    )


WAYS = {f"images: {name}": (image_ways, name) for name in IMAGES} | {
    f"texts: {name}": (text_ways, name) for name in TEXTS
}
FEW_WAYS = [way for way, (_, name) in WAYS.items() if name in FEW]


def of_side(side):
    few, ways = ([way for way in some if way.startswith(side)] for some in (FEW_WAYS, WAYS))
    return slow_but(few, ways)


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """Build each way once, and see that both are one without anything that acts."""
    kept = {}

    def get(way):
        if way not in kept:
            make, name = WAYS[way]
            kept[way] = make(name, tmp_path_factory.mktemp("model"))
            library, ours, _ = kept[way]
            assert_close(ours(None), library(Plan()), **TOLERANCE)
        return kept[way]

    return get


@pytest.fixture(params=slow_but(FEW_WAYS, WAYS))
def tower(request, built):
    return built(request.param)


@pytest.fixture(params=of_side("images"))
def images(request, built):
    return built(request.param)


@pytest.fixture(params=of_side("texts"))
def texts(request, built):
    return built(request.param)


def compare(found, expected, tensors):
    assert_close(found, expected, **TOLERANCE)
    weight = draw(*found.shape, seed=9).detach()
    ours, theirs = (torch.autograd.grad((x * weight).sum(), tensors) for x in (found, expected))
    largest = max(grad.abs().max().item() for grad in theirs)
    assert min(grad.abs().max().item() for grad in theirs) > 0
    for one, other in zip(ours, theirs, strict=True):
        assert_close(one, other, atol=1e-5 * largest, rtol=1e-4)


def residuals_of(places):
    """Return residuals that read both of their inputs, and their weights."""
    found, weights = {}, []
    for seed, place in enumerate(places):
        first, second = draw(WIDTH, WIDTH, seed=seed), draw(WIDTH, WIDTH, seed=seed + 50)
        weights += [first, second]
        found[place] = lambda x, n, a=first, b=second: 0.3 * (x @ a + n.tanh() @ b)
    return found, weights


@pytest.mark.parametrize("part", ["attention", "mlp", "block"])
def test_residuals(tower, part):
    library, ours, _ = tower
    plan, weights = residuals_of([(0, part), (1, part)])
    points = TowerPoints(residuals={f"blocks.{j}.{p}": r for (j, p), r in plan.items()})
    compare(ours(points), library(Plan(residuals=plan)), weights)


def test_all_three_residuals_together(tower):
    library, ours, _ = tower
    plan, weights = residuals_of([(1, part) for part in ("attention", "mlp", "block")])
    points = TowerPoints(residuals={f"blocks.{j}.{p}": r for (j, p), r in plan.items()})
    compare(ours(points), library(Plan(residuals=plan)), weights)


ROUNDS = [({0: (), 1: ()}, None), ({0: ()}, 1), ({1: ()}, None)]


@pytest.mark.parametrize("first_norm", [False, True])
@pytest.mark.parametrize(("rounds", "until"), ROUNDS)
def test_tokens_put_into_images(images, rounds, until, first_norm):
    library, ours, prefix = images
    tokens = {j: draw(K, WIDTH, seed=j) for j in rounds}
    if first_norm and 0 not in tokens:
        tokens[0] = draw(K, WIDTH, seed=7)
    plan = Plan(tokens, prefix, until, before_first_norm=first_norm)
    group = ExtraTokens(tokens, until=until, before_first_norm=first_norm)
    # Tokens of block 0 that are replaced before block 1 are still keys of block 0.
    compare(ours(TowerPoints(extra={"x": group})), library(plan), list(tokens.values()))


EACH = [*ROUNDS, ({0: (len(NAMES), 1), 1: (len(NAMES), 1)}, None)]


@pytest.mark.parametrize("at", [None, 3])
@pytest.mark.parametrize(("rounds", "until"), EACH)
def test_tokens_put_into_texts(texts, rounds, until, at):
    library, ours, start = texts
    tokens = {j: draw(*each, K, WIDTH, seed=j) for j, each in rounds.items()}
    plan = Plan(tokens, start if at is None else at, until)
    group = ExtraTokens(tokens, at=at, until=until)
    compare(ours(TowerPoints(extra={"x": group})), library(plan), list(tokens.values()))


def test_own_tokens_are_replaced(tower):
    library, ours, first = tower
    at = first + 1
    tokens = {0: draw(K, WIDTH, seed=1), 1: draw(K, WIDTH, seed=2)}
    points = TowerPoints(replaced=[ReplacedTokens(at, tokens)])
    compare(ours(points), library(Plan(replaced=tokens, replaced_at=at)), list(tokens.values()))


def test_all_together(tower):
    library, ours, first = tower
    extra, replaced = {0: draw(K, WIDTH, seed=1)}, {1: draw(1, WIDTH, seed=2)}
    plan, weights = residuals_of([(0, "mlp"), (1, "attention")])
    points = TowerPoints(
        extra={"x": ExtraTokens(extra)}, replaced=[ReplacedTokens(first + 2, replaced)],
        residuals={f"blocks.{j}.{p}": r for (j, p), r in plan.items()},
    )  # fmt: skip
    acting = Plan(extra, first, replaced=replaced, replaced_at=first + 2, residuals=plan)
    compare(ours(points), library(acting), [extra[0], replaced[1], *weights])
