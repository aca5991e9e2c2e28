"""Points of image towers against the library's own forward with hooks or other weights."""

from contextlib import ExitStack, contextmanager

import pytest
import torch
from representatives import slow_but
from torch import nn
from torch.testing import assert_close
from towers.image_cases import MAPS, OPEN_CLIP, PLAIN, build_open_clip, build_timm, images
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

from plp.errors import ConfigError
from plp.towers.points import ExtraTokens, ReplacedTokens, TowerPoints

TOLERANCE = {"atol": 1e-5, "rtol": 1e-5}
STREAMS = ("tokens", "value", "vv")
K, WIDTH = 2, 32
FEW_BLOCKS = ("clip", "timm, attention pool (SigLIP)", "eva", "relative positions")


@pytest.fixture(scope="module", params=slow_but(FEW_BLOCKS, [*OPEN_CLIP, *PLAIN]))
def built(request):
    return request.param, *make(request.param)


def make(name):
    network, tower = (build_open_clip if name in OPEN_CLIP else build_timm)(name)
    return network.requires_grad_(False), tower


def layers(network):
    blocks = network.transformer.resblocks if hasattr(network, "transformer") else network.blocks
    return list(blocks)


def compare(found, expected, tensors):
    """Compare features, and the gradients that flow from them into some tensors."""
    assert_close(found, expected, **TOLERANCE)
    weight = draw(*found.shape, seed=9).detach()
    grads = [torch.autograd.grad((x * weight).sum(), tensors) for x in (found, expected)]
    largest = max(grad.abs().max().item() for grad in grads[1])
    assert largest > 0
    for one, other in zip(*grads, strict=True):
        assert_close(one, other, atol=1e-5 * largest, rtol=1e-4)


def test_a_low_rank_update_is_the_library_with_the_product_in_its_weights(built):
    _, network, tower = built
    updates = low_rank(tower.description)
    expected = with_parameters(network, merged(tower.description, network, updates), images())
    found = tower.encode(images(), (), TowerPoints(updates=updates)).pooled
    compare(found, expected, [t for u in updates.values() for t in (u.down, u.up)])


@pytest.mark.parametrize(
    "name", slow_but(("clip", "eva"), ["clip", "timm", "eva", "eva, single projections", "gated"])
)
def test_each_matrix_is_the_one_that_its_name_says(name):
    network, tower = make(name)
    names = list(tower.description.matrices())
    for part in ("q", "k", "v", "o", "fc2"):
        assert f"blocks.1.{part}" in names
    for matrix in names:
        updates = low_rank(tower.description, [matrix])
        expected = with_parameters(network, merged(tower.description, network, updates), images())
        found = tower.encode(images(), (), TowerPoints(updates=updates)).pooled
        assert_close(found, expected, **TOLERANCE)


def test_weights_of_norms_from_outside_take_the_place_of_the_librarys(built):
    _, network, tower = built
    given, own = other_norms(tower.description, network)
    for name in ("blocks.0.norm1.weight", "blocks.2.norm2.bias"):
        assert name in given
    found = tower.encode(images(), (), TowerPoints(weights=given)).pooled
    compare(found, with_parameters(network, own, images()), list(given.values()))


@torch.no_grad()
@pytest.mark.parametrize("name", ["clip", "further norms", "timm", "eva, single projections"])
def test_any_matrix_may_be_given_from_outside(name):
    network, tower = make(name)
    updates = low_rank(tower.description)
    parameters = merged(tower.description, network, updates)
    given = {}
    for matrix, update in updates.items():
        module, weight, _, part, transposed = tower.description.matrices()[matrix]
        old = module._parameters[weight]
        old = old if part is None else old.chunk(3)[part]
        given[f"{matrix}.weight"] = (old.T if transposed else old) + update.matrix()
    found = tower.encode(images(), (), TowerPoints(weights=given)).pooled
    assert_close(found, with_parameters(network, parameters, images()), **TOLERANCE)


@pytest.mark.parametrize("place", ["attention", "mlp", "block"])
def test_a_residual_stands_beside_its_part(built, place):
    _, network, tower = built
    residuals = {j: tokenwise(WIDTH, seed=j) for j in (1, 2)}
    with ExitStack() as stack:
        for j, residual in residuals.items():
            stack.enter_context(residual_hooks(layers(network)[j], place, residual))
        expected = network(images())
    points = TowerPoints(residuals={f"blocks.{j}.{place}": r for j, r in residuals.items()})
    assert_close(tower.encode(images(), (), points).pooled, expected, **TOLERANCE)


@contextmanager
def extra_in_library(network, tower, tokens, first_norm, until, last):
    """Put tokens behind class and register tokens, or at the end, by hooks on the blocks."""
    prefix = tower.tower.prefix
    blocks = layers(network)
    state = {"in": False}

    def put(x, block):
        own = torch.cat([x[:, :prefix], x[:, prefix + K :]], 1) if state["in"] and not last else x
        own = x[:, :-K] if state["in"] and last else own
        if block is None or until == block:
            state["in"] = False
            return own
        state["in"] = True
        new = tokens[block].expand(len(x), -1, -1)
        return torch.cat([own, new] if last else [own[:, :prefix], new, own[:, prefix:]], dim=1)

    def enter(block):
        def hook(module, inputs):
            x = inputs[0]
            if (block in tokens and not (block == 0 and first_norm)) or until == block:
                x = put(x, block)
            if not last and hasattr(module.attn, "num_prefix_tokens"):  # rotary positions
                module.attn.num_prefix_tokens = prefix + K * state["in"]
            return (x, *inputs[1:])

        return hook

    pairs = [(b.register_forward_pre_hook, enter(j)) for j, b in enumerate(blocks)]
    pairs.append((blocks[-1].register_forward_hook, lambda m, i, x: put(x, None)))
    if first_norm:
        norm = network.ln_pre if hasattr(network, "ln_pre") else network.norm_pre
        pairs.append((norm.register_forward_pre_hook, lambda m, i: (put(i[0], 0),)))
    with hooks(*pairs):
        yield
    for block in blocks:
        if hasattr(block.attn, "num_prefix_tokens"):
            block.attn.num_prefix_tokens = prefix


CASES = [
    ({0: 1}, True, None), ({0: 1, 1: 2}, True, None), ({0: 1, 2: 2}, False, None),
    ({1: 1}, False, 2), ({2: 1}, False, None),
]  # fmt: skip


@pytest.mark.parametrize(("rounds", "first_norm", "until"), CASES)
def test_tokens_put_in_are_those_put_into_the_library(built, rounds, first_norm, until):
    name, network, tower = built
    if "relative" in name:
        pytest.skip("checked by its own test: the library's bias is as large as its own tokens")
    if first_norm and getattr(network, "norm_pre", getattr(network, "ln_pre", None)) is None:
        pytest.skip("no first norm")
    tokens = {block: draw(K, WIDTH, seed=seed) for block, seed in rounds.items()}
    with extra_in_library(network, tower, tokens, first_norm, until, last=False):
        expected = network(images())
    group = ExtraTokens(tokens, before_first_norm=first_norm, until=until)
    found = tower.encode(images(), (), TowerPoints(extra={"prompts": group})).pooled
    compare(found, expected, list(tokens.values()))


@torch.no_grad()
@pytest.mark.parametrize("name", ["clip", "mean of patches", "timm", "timm, registers"])
def test_in_an_image_tower_it_does_not_matter_where_extra_tokens_stand(name):
    network, tower = make(name)
    tokens = {0: draw(K, WIDTH, seed=1), 2: draw(K, WIDTH, seed=2)}
    with extra_in_library(network, tower, tokens, True, None, last=True):
        expected = network(images())
    points = TowerPoints(extra={"prompts": ExtraTokens(tokens, before_first_norm=True)})
    assert_close(tower.encode(images(), (), points).pooled, expected, **TOLERANCE)


@torch.no_grad()
@pytest.mark.parametrize("name", ["relative positions", "relative positions, mean"])
def test_extra_tokens_have_no_relative_position(name, monkeypatch):
    network, tower = make(name)
    tokens, prefix = {1: draw(K, WIDTH, seed=1)}, tower.tower.prefix
    for block in layers(network)[1:]:
        bias = block.attn.rel_pos.get_bias()
        wide = nn.functional.pad(bias, (K, 0, K, 0))
        wide[:, :, :prefix] = 0
        wide[:, :, :prefix, prefix + K :] = bias[:, :, :prefix, prefix:]
        wide[:, :, :prefix, :prefix] = bias[:, :, :prefix, :prefix]
        wide[:, :, prefix : prefix + K] = 0
        wide[:, :, prefix + K :, :prefix] = bias[:, :, prefix:, :prefix]
        wide[:, :, prefix + K :, prefix : prefix + K] = 0
        monkeypatch.setattr(block.attn.rel_pos, "get_bias", lambda wide=wide: wide)
    with extra_in_library(network, tower, tokens, False, None, last=False):
        expected = network(images())
    monkeypatch.undo()
    found = tower.encode(images(), (), TowerPoints(extra={"x": ExtraTokens(tokens)})).pooled
    assert_close(found, expected, **TOLERANCE)


def test_own_tokens_are_replaced(built):
    _, network, tower = built
    tokens = {0: draw(K, WIDTH, seed=1), 2: draw(2, K, WIDTH, seed=2)}
    at = tower.tower.prefix + 3

    def write(block):
        def hook(module, inputs):
            x = inputs[0].clone()
            x[:, at : at + K] = tokens[block]
            return (x, *inputs[1:])

        return hook

    with hooks(*[(layers(network)[j].register_forward_pre_hook, write(j)) for j in tokens]):
        expected = network(images())
    points = TowerPoints(replaced=[ReplacedTokens(at, tokens)])
    compare(tower.encode(images(), (), points).pooled, expected, list(tokens.values()))


@torch.no_grad()
def test_streams_and_states_read_the_right_rows(built):
    """Extra tokens that nobody looks at change nothing: their keys are made very small."""
    _, _, tower = built
    plain = tower.encode(images(), STREAMS)
    group = ExtraTokens({1: draw(K, WIDTH, seed=1)}, until=2)
    found = tower.encode(images(), STREAMS, TowerPoints(extra={"x": group}))
    for name in STREAMS:
        assert found.dense[name].shape == plain.dense[name].shape
        # Patches are still in their order: each is nearest to what it was.
        distances = torch.cdist(found.dense[name], plain.dense[name])
        right = (distances.argmin(-1) == torch.arange(distances.shape[-1])).float().mean()
        assert right > 0.5


@torch.no_grad()
def test_states_of_extra_tokens_are_those_behind_the_last_norm(built):
    name, network, tower = built
    tokens = {1: draw(K, WIDTH, seed=1)}
    if "relative" in name:
        pytest.skip("the library's bias is as large as its own tokens")
    kept = []
    with (
        hooks((layers(network)[-1].register_forward_hook, lambda m, i, x: kept.append(x))),
        extra_in_library(network, tower, tokens, False, None, last=False),
    ):
        network(images())
    prefix = tower.tower.prefix
    expected = tower.tower.finish(kept[0][:, prefix : prefix + K])
    points = TowerPoints(extra={"x": ExtraTokens(tokens, read=True)})
    for streams in ((), STREAMS):
        found = tower.encode(images(), streams, points)
        assert_close(found.extra["x"], expected, **TOLERANCE)


@torch.no_grad()
def test_zero_updates_give_the_frozen_tower_bit_for_bit(built):
    _, _, tower = built
    updates = {name: zero(update) for name, update in low_rank(tower.description).items()}
    residuals = {"blocks.1.block": lambda x, normed: x * 0.0}
    frozen = tower.encode(images(), STREAMS)
    for points in (TowerPoints(), TowerPoints(updates=updates), TowerPoints(residuals=residuals)):
        found = tower.encode(images(), STREAMS, points)
        assert torch.equal(found.pooled, frozen.pooled)
        for name in STREAMS:
            assert torch.equal(found.dense[name], frozen.dense[name])


@torch.no_grad()
def test_a_start_in_the_middle_is_the_whole_pass(built):
    _, _, tower = built
    blocks = len(tower.description.layers())
    updates = low_rank(tower.description, ["blocks.1.v", "blocks.2.q", "projection"])
    group = ExtraTokens({1: draw(K, WIDTH, seed=1), 2: draw(K, WIDTH, seed=2)}, read=True)
    residuals = {"blocks.2.block": tokenwise(WIDTH, seed=3)}
    points = TowerPoints({"x": group}, (), updates, residuals)
    assert tower.description.first_reached(points) == 1
    for acting in (None, points):
        whole = tower.encode(images(), STREAMS, acting)
        for block in range(blocks + 1):
            before = acting if block > 1 else None  # nothing acts in front of block 1
            for streams in ((), STREAMS):
                prefix = tower.prefix(images(), block, streams, before or acting)
                if block == 1:
                    prefix = tower.prefix(images(), block, streams)
                found = tower.resume(prefix, streams, acting)
                assert_close(found.pooled, whole.pooled, atol=1e-6, rtol=1e-6)
                for name in streams:
                    assert_close(found.dense[name], whole.dense[name], atol=1e-6, rtol=1e-6)
                if acting:
                    assert_close(found.extra["x"], whole.extra["x"], atol=1e-6, rtol=1e-6)


def test_a_stream_that_was_left_out_in_front_is_refused():
    _, tower = make("clip")
    prefix = tower.prefix(images(), 1)
    with pytest.raises(ConfigError, match="'vv' runs through the blocks that are left out"):
        tower.resume(prefix, ("vv",))
    with pytest.raises(ConfigError, match="from 0 to 3 to stop in front of"):
        tower.prefix(images(), 4)


BAD = [
    (TowerPoints(updates={"blocks.1.qq": abs}), r"no matrix 'blocks.1.qq'.*blocks.\{0-2\}.q"),
    (TowerPoints(updates={"blocks.3.q": abs}), r"no matrix 'blocks.3.q'.*blocks.\{0-2\}.q"),
    (TowerPoints(residuals={"blocks.1.attn": max}), "no place 'blocks.1.attn'.*Did you mean"),
    (TowerPoints(weights={"blocks.1.norm3.weight": torch.ones(32)}), r"no weights.*norm_post"),
    (TowerPoints(weights={"norm_post.weight": torch.ones(31)}), r"norm_post.w.*\[32\].*\[31\]"),
    (TowerPoints({"x": ExtraTokens({7: torch.ones(2, 32)})}), "before block 7.*blocks 0 to 2"),
    (TowerPoints({"x": ExtraTokens({1: torch.ones(2, 31)})}), r"expected \[K, 32\].*\[2, 31\]"),
    (TowerPoints({"x": ExtraTokens({1: torch.ones(3, 2, 32)})}), r"\[2, K, 32\].*\[3, 2, 32\]"),
    (TowerPoints({"x": ExtraTokens({1: torch.ones(2, 32)}, at=3)}), "at=3.*text tower"),
]  # fmt: skip


@pytest.mark.parametrize(("points", "message"), BAD)
def test_what_a_tower_does_not_have_is_named(points, message):
    _, tower = make("clip")
    with pytest.raises(ConfigError, match=message):
        tower.encode(images(), (), points)


def test_extra_tokens_that_cannot_be_are_refused():
    with pytest.raises(ConfigError, match=r"as many before each block"):
        ExtraTokens({0: torch.ones(2, 32), 1: torch.ones(3, 32)})
    with pytest.raises(ConfigError, match=r"until > 1"):
        ExtraTokens({1: torch.ones(2, 32)}, until=1)
    with pytest.raises(ConfigError, match=r"read=True"):
        ExtraTokens({1: torch.ones(2, 32)}, until=2, read=True)


@pytest.mark.parametrize("name", MAPS)
def test_towers_without_blocks_say_what_they_have(name):
    _, tower = build_timm(name)
    with pytest.raises(ConfigError, match=r"nothing can act inside.*streams: 'tokens'"):
        tower.encode(images(), (), TowerPoints())
    with pytest.raises(ConfigError, match="expected a tower with blocks"):
        tower.prefix(images(), 1)


@torch.no_grad()
@pytest.mark.parametrize("name", ["clip", "timm", "eva, single projections"])
def test_updates_act_under_autocast(name):
    _, tower = make(name)
    updates = low_rank(tower.description)
    with torch.autocast("cpu", torch.bfloat16):
        frozen = tower.encode(images(), ()).pooled
        still = {name: zero(update) for name, update in updates.items()}
        assert torch.equal(tower.encode(images(), (), TowerPoints(updates=still)).pooled, frozen)
        found = tower.encode(images(), (), TowerPoints(updates=updates)).pooled.float()
    expected = tower.encode(images(), (), TowerPoints(updates=updates)).pooled
    assert (found - expected).norm() < 0.1 * expected.norm()
    assert (found - frozen).norm() > 0.3 * expected.norm()


class Wrapped(nn.Module):
    """A layer around another that forwards its attributes, as peft's do."""

    def __init__(self, base_layer: nn.Module) -> None:
        super().__init__()
        self.base_layer = base_layer
        self.register_buffer("added", draw(1, seed=5).detach())

    def forward(self, x, *args, **kwargs):
        return self.base_layer(x, *args, **kwargs) + self.added

    def __getattr__(self, name):
        try:
            return super().__getattr__(name)
        except AttributeError:
            return getattr(super().__getattr__("base_layer"), name)


def test_an_attention_that_was_wrapped_is_refused():
    network, tower = make("clip")
    block = layers(network)[1]
    block.attn = Wrapped(block.attn)
    with pytest.raises(ConfigError, match=r"got .*Wrapped: .*merge_and_unload.*TowerPoints"):
        tower.encode(images(), ())


@torch.no_grad()
@pytest.mark.parametrize("name", ["timm", "eva, single projections", "timm, norm of q and k"])
def test_a_linear_layer_that_was_wrapped_is_honoured(name):
    network, tower = make(name)
    attention = layers(network)[1].attn
    for part in ("qkv", "q_proj", "v_proj", "proj"):
        if getattr(attention, part, None) is not None:
            setattr(attention, part, Wrapped(getattr(attention, part)))
    assert_close(tower.encode(images(), ()).pooled, network(images()), **TOLERANCE)
