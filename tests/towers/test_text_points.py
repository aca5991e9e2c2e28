"""Points of text towers against the library's own forward with hooks or other weights."""

from contextlib import ExitStack

import pytest
import torch
from representatives import slow_but
from torch.nn import functional as F
from torch.testing import assert_close
from towers.point_cases import (
    draw,
    hooks,
    low_rank,
    merged,
    other_norms,
    residual_hooks,
    tokenwise,
    with_parameters,
    zero,
)
from towers.text_cases import ENCODERS, FEW, WITH_BLOCKS
from towers.text_oracle import NAMES, TEMPLATE, build, filled, own_ids

from plp.errors import ConfigError
from plp.structures import PromptTokens
from plp.towers.points import ExtraTokens, ReplacedTokens, TowerPoints

TOLERANCE = {"atol": 1e-5, "rtol": 1e-5}
K, WIDTH = 2, 32
FEW_BLOCKS = tuple(name for name in FEW if name in WITH_BLOCKS)


@pytest.fixture(scope="module", params=slow_but(FEW, [*WITH_BLOCKS, *ENCODERS]))
def tower(request, tmp_path_factory):
    return build(request.param, tmp_path_factory.mktemp("text"))


@pytest.fixture(scope="module", params=slow_but(FEW_BLOCKS, WITH_BLOCKS))
def read(request, tmp_path_factory):
    """Return a backbone whose text tower is read block by block, and the library's blocks."""
    backbone = build(request.param, tmp_path_factory.mktemp("text"))
    return backbone, list(backbone.model.text.transformer.resblocks)


def library(tower, parameters=None):
    """Return the features that open_clip gives the sentences, with other parameters."""
    ids = own_ids(tower, [TEMPLATE.format(name) for name in NAMES])
    found = with_parameters(tower.model.text, parameters or {}, ids)
    return found[0] if isinstance(found, tuple) else found


def ours(tower, points, shared=True):
    prompts = filled(tower, TEMPLATE, NAMES)
    if not shared:
        prompts = prompts._replace(shared=0)
    return tower.encode_text(prompts, points)[:, 0]


def compare(found, expected, tensors):
    assert_close(found, expected, **TOLERANCE)
    weight = draw(*found.shape, seed=9).detach()
    grads = [torch.autograd.grad((x * weight).sum(), tensors) for x in (found, expected)]
    largest = max(grad.abs().max().item() for grad in grads[1])
    assert largest > 0
    for one, other in zip(*grads, strict=True):
        assert_close(one, other, atol=2e-5 * largest, rtol=1e-4)


def unused(name):
    return ".pooler" in name or "relative_attention_bias" in name


def test_a_low_rank_update_is_the_library_with_the_product_in_its_weights(tower):
    description = tower.text_tower.description
    names = [name for name in description.matrices() if not unused(name)]
    assert {f"blocks.{j}.{part}" for j in (0, 1) for part in "qkvo"} <= set(names)
    updates = low_rank(description, names)
    expected = library(tower, merged(description, tower.model.text, updates))
    found = ours(tower, TowerPoints(updates=updates))
    compare(found, expected, [t for u in updates.values() for t in (u.down, u.up)])


@torch.no_grad()
def test_each_matrix_is_the_one_that_its_name_says(tower):
    description = tower.text_tower.description
    for name in description.matrices():
        updates = low_rank(description, [name])
        expected = library(tower, merged(description, tower.model.text, updates))
        assert_close(ours(tower, TowerPoints(updates=updates)), expected, **TOLERANCE)


def test_weights_of_norms_from_outside_take_the_place_of_the_librarys(tower):
    given, own = other_norms(tower.text_tower.description, tower.model.text)
    assert {"blocks.0.norm1.weight", "blocks.1.norm2.weight"} <= set(given)
    expected = library(tower, own)
    compare(ours(tower, TowerPoints(weights=given)), expected, list(given.values()))


@torch.no_grad()
def test_zero_updates_give_the_frozen_tower_bit_for_bit(tower):
    updates = {n: zero(u) for n, u in low_rank(tower.text_tower.description).items()}
    frozen = ours(tower, None)
    for points in (TowerPoints(), TowerPoints(updates=updates)):
        assert torch.equal(ours(tower, points), frozen)


@pytest.mark.parametrize("place", ["attention", "mlp", "block"])
def test_a_residual_stands_beside_its_part(read, place):
    tower, blocks = read
    residuals = {j: tokenwise(WIDTH, seed=j) for j in (0, 1)}
    with ExitStack() as stack:
        for j, residual in residuals.items():
            stack.enter_context(residual_hooks(blocks[j], place, residual))
        expected = library(tower)
    points = TowerPoints(residuals={f"blocks.{j}.{place}": r for j, r in residuals.items()})
    assert_close(ours(tower, points), expected, **TOLERANCE)


def writing(tokens, at):
    """Return a hook that replaces a text's tokens in front of a block."""

    def hook(module, inputs):
        x = inputs[0].clone()
        new = tokens.expand(len(NAMES), 1, -1, -1)[:, 0] if tokens.ndim == 4 else tokens
        x[:, at : at + K] = new
        return (x, *inputs[1:])

    return hook


@pytest.mark.parametrize("each", [(), (len(NAMES), 1), (1, 1)], ids=["all", "classes", "prompts"])
@pytest.mark.parametrize("shared", [True, False])
def test_own_tokens_are_replaced(read, each, shared):
    tower, blocks = read
    tokens = {0: draw(K, WIDTH, seed=1), 1: draw(*each, K, WIDTH, seed=2)}
    with hooks(*[(blocks[j].register_forward_pre_hook, writing(t, 1)) for j, t in tokens.items()]):
        expected = library(tower)
    points = TowerPoints(replaced=[ReplacedTokens(1, tokens)])
    compare(ours(tower, points, shared), expected, list(tokens.values()))


def inserting(tower, blocks, tokens, at, until):
    """Let the library run with tokens put into its texts, and read them as if there were none."""
    state = {"in": False}
    causal = tower.model.text.attn_mask is not None

    def without(x):
        return torch.cat([x[:, :at], x[:, at + K :]], dim=1) if state["in"] else x

    def enter(block):
        def hook(module, inputs, options):
            x, mask = inputs[0], options.get("attn_mask")
            if block in tokens or until == block:
                x, state["in"] = without(x), block in tokens
                if block in tokens:
                    new = tokens[block]
                    new = new.expand(len(NAMES), 1, -1, -1)[:, 0] if new.ndim == 4 else new
                    new = new.expand(len(x), -1, -1)
                    x = torch.cat([x[:, :at], new, x[:, at:]], dim=1)
            if state["in"] and mask is not None:
                options = {**options, "attn_mask": wider(mask)}
            return (x, *inputs[1:]), options

        return hook

    def wider(mask):
        """Let extra tokens look at what stands before them, or at all that is no padding."""
        size = mask.shape[-1]
        wide = F.pad(mask, (0, K, 0, K))
        own = [*range(at), *range(at + K, size + K)]
        new = list(range(at, at + K))
        wide[..., :, :] = 0.0
        for i, row in enumerate(own):
            wide[..., row, own] = mask[..., i, :]
            if causal and i < at:
                wide[..., row, new] = float("-inf")
        for row in new:
            if causal:
                wide[..., row, row + 1 :] = float("-inf")
            else:
                wide[..., row, own] = mask[..., at, :]
        return wide

    pairs = [(block.register_forward_pre_hook, enter(j)) for j, block in enumerate(blocks)]
    with ExitStack() as stack:
        stack.enter_context(hooks(*pairs, with_kwargs=True))
        last = blocks[-1].register_forward_hook(lambda m, i, x: without(x))
        stack.callback(last.remove)
        return library(tower)


CASES = [
    ({0: ()}, None, None),
    ({0: (), 1: ()}, None, 3),
    ({1: ()}, None, None),
    ({0: ()}, 1, None),
]
CASES += [({0: (len(NAMES), 1), 1: (len(NAMES), 1)}, None, None), ({0: (len(NAMES), 1)}, 1, 2)]


@pytest.mark.parametrize(("rounds", "until", "at"), CASES)
@pytest.mark.parametrize("shared", [True, False])
def test_tokens_put_in_are_those_put_into_the_library(read, rounds, until, at, shared):
    tower, blocks = read
    tokens = {j: draw(*each, K, WIDTH, seed=j) for j, each in rounds.items()}
    place = len(tower.text_tower.tokens.frame.start) if at is None else at
    expected = inserting(tower, blocks, tokens, place, until)
    points = TowerPoints(extra={"prompts": ExtraTokens(tokens, at=at, until=until)})
    compare(ours(tower, points, shared), expected, list(tokens.values()))


def test_what_a_text_shares_is_still_computed_once(read):
    """Several sets of tokens, and replaced ones behind them, with and without sharing."""
    tower, _ = read
    points = TowerPoints(
        extra={
            "first": ExtraTokens({0: draw(K, WIDTH, seed=1), 1: draw(K, WIDTH, seed=2)}),
            "second": ExtraTokens({1: draw(len(NAMES), 1, 3, WIDTH, seed=3)}, at=2),
        },
        replaced=[ReplacedTokens(2, {1: draw(2, WIDTH, seed=4)})],
    )
    assert_close(ours(tower, points, True), ours(tower, points, False), **TOLERANCE)
    prompts = filled(tower, TEMPLATE, NAMES)
    whole = tower.encode_text(prompts, points)
    for c in range(len(NAMES)):
        second = points.extra["second"].before[1][c : c + 1]
        extra = {**points.extra, "second": ExtraTokens({1: second}, at=2)}
        alone = PromptTokens(prompts.embeddings[c : c + 1], prompts.end[c : c + 1])
        found = tower.encode_text(alone, TowerPoints(extra, points.replaced))
        assert_close(found, whole[c : c + 1], **TOLERANCE)


@torch.no_grad()
def test_a_start_in_the_middle_is_the_whole_pass(read):
    tower, blocks = read
    text, prompts = tower.text_tower, filled(tower, TEMPLATE, NAMES)
    texts = (prompts.embeddings, prompts.end)
    updates = low_rank(text.description, ["blocks.1.v", "projection"])
    extra = {"x": ExtraTokens({1: draw(len(NAMES), 1, K, WIDTH, seed=1)})}
    points = TowerPoints(extra, (), updates, {"blocks.1.block": tokenwise(WIDTH, seed=3)})
    assert text.description.first_reached(points) == 1
    for acting in (None, points):
        whole = text.encode(*texts, prompts.shared, acting)
        for block in range(len(blocks) + 1):
            prefix = text.prefix(*texts, block, prompts.shared, acting)
            assert_close(text.resume(prefix, acting), whole, atol=1e-6, rtol=1e-6)
    assert_close(text.resume(text.prefix(*texts, 1), points), whole, atol=1e-6, rtol=1e-6)


@pytest.mark.parametrize("name", ENCODERS)
def test_an_encoder_that_runs_as_a_whole_says_what_can_act(name, tmp_path):
    tower = build(name, tmp_path)
    group = {"x": ExtraTokens({1: draw(K, WIDTH)})}
    for points in (TowerPoints(group), TowerPoints(residuals={"blocks.0.mlp": max})):
        with pytest.raises(ConfigError, match=r"runs its \w+ as a whole.*blocks.\{0-1\}.q"):
            ours(tower, points)
    with pytest.raises(ConfigError, match="block by block"):
        tower.text_tower.prefix(draw(1, 1, 4, WIDTH), torch.tensor([[3]]), 1)


def test_texts_that_end_in_front_of_the_tokens_are_refused(read):
    tower, _ = read
    for points in (
        TowerPoints({"x": ExtraTokens({1: draw(K, WIDTH)}, at=47)}),
        TowerPoints(replaced=[ReplacedTokens(46, {1: draw(K, WIDTH)})]),
    ):
        with pytest.raises(ConfigError, match=r"tokens at row 4[67] of a text: expected every"):
            ours(tower, points)


def test_tokens_of_other_classes_are_refused(read):
    tower, _ = read
    group = ExtraTokens({1: draw(len(NAMES) + 1, 1, K, WIDTH)})
    with pytest.raises(ConfigError, match=r"broadcasts to \[4, 1, K, 32\], got \[5, 1, 2, 32\]"):
        ours(tower, TowerPoints({"x": group}))
