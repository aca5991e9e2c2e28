"""Image towers: pooled feature and streams against the library's own forward and slow loops."""

import pytest
import torch
from representatives import slow_but
from torch import Tensor, nn
from torch.testing import assert_close
from towers.image_cases import FEW, HUB, MAPS, OPEN_CLIP, PLAIN, build, build_timm, images

from plp.errors import ConfigError
from plp.towers.streams import TransformerStreams
from plp.towers.timm_map import FeatureMap

TOLERANCE = {"atol": 1e-5, "rtol": 1e-5}
STREAMS = ("tokens", "value", "vv")
FEW_BLOCKS = tuple(name for name in FEW if name not in MAPS)


@pytest.fixture(scope="module", params=slow_but(FEW, [*OPEN_CLIP, *PLAIN, *MAPS, *HUB]))
def built(request):
    return build(request.param)


@pytest.fixture(scope="module", params=slow_but(FEW_BLOCKS, [*OPEN_CLIP, *PLAIN, *HUB]))
def transformer(request):
    if request.param == "hub: align":
        pytest.skip("an EfficientNet")
    return build(request.param)


@torch.no_grad()
def test_pooled_feature_is_the_librarys_own(built):
    network, tower = built
    expected = network(images())
    for streams in ((), *[(name,) for name in tower.streams], tower.streams):
        assert_close(tower.encode(images(), streams).pooled, expected, **TOLERANCE)


@torch.no_grad()
def test_tokens_are_the_librarys_own(built):
    network, tower = built
    found = tower.encode(images(), ("tokens",))
    expected = own_tokens(network)
    assert found.grid[0] * found.grid[1] == expected.shape[1] > 1
    assert_close(found.dense["tokens"], expected, **TOLERANCE)


IN_FRONT_OF_THE_LAST = ("efficientnet",)  # its last convolution stands behind all intermediates
FEW_OF_LIBRARIES = ("clip", "timm", "eva", "convnext")


@torch.no_grad()
@pytest.mark.parametrize(
    "name",
    slow_but(
        FEW_OF_LIBRARIES,
        [n for n in (*OPEN_CLIP, *PLAIN, *MAPS) if n not in IN_FRONT_OF_THE_LAST],
    ),
)
def test_tokens_are_the_last_intermediates(name):
    network, tower = build(name)
    found = tower.encode(images(), ("tokens",))
    assert_close(found.dense["tokens"], last_intermediate(network, name in MAPS), **TOLERANCE)


@torch.no_grad()
@pytest.mark.parametrize("name", [name for name in OPEN_CLIP if "pooler" not in name])
def test_tokens_are_those_that_open_clip_returns_beside_the_feature(name):
    network, tower = build(name)
    found = tower.encode(images(), ("tokens",))
    network.output_tokens = True
    pooled, tokens = network(images())
    if network.final_ln_after_pool:  # the library returns them without it
        tokens = network.ln_post(tokens)
    assert_close(found.dense["tokens"], tokens, **TOLERANCE)
    assert_close(found.pooled, pooled, **TOLERANCE)


@torch.no_grad()
def test_streams_together_are_streams_alone(transformer):
    _, tower = transformer
    together = tower.encode(images(), STREAMS)
    for name in STREAMS:
        alone = tower.encode(images(), (name,))
        assert_close(alone.dense[name], together.dense[name], **TOLERANCE)


@torch.no_grad()
def test_value_and_v_v_follow_their_formulas(transformer):
    _, tower = transformer
    assert isinstance(tower, TransformerStreams)
    found = tower.encode(images(), STREAMS)
    slow = SlowStreams(tower)
    assert_close(found.dense["value"], slow.value(images()), **TOLERANCE)
    assert_close(found.dense["vv"], slow.v_v(images()), **TOLERANCE)


@torch.no_grad()
def test_batch_is_loop(built):
    _, tower = built
    batch = tower.encode(images(), tower.streams)
    for i in range(2):
        one = tower.encode(images()[i : i + 1], tower.streams)
        assert_close(one.pooled, batch.pooled[i : i + 1], **TOLERANCE)
        for name in tower.streams:
            assert_close(one.dense[name], batch.dense[name][i : i + 1], **TOLERANCE)


@torch.no_grad()
def test_patches_go_into_the_space_of_the_pooled_feature_each_alone(built):
    _, tower = built
    found = tower.encode(images(), tower.streams)
    for dense in found.dense.values():
        assert dense.shape[-1] == tower.dense_dim
        joint = tower.project(dense)
        assert joint.shape == (*dense.shape[:2], found.pooled.shape[-1])
        assert_close(tower.project(dense[:, 2:3]), joint[:, 2:3], **TOLERANCE)


POOLED_OVER_PATCHES = [
    "mean of patches", "norm after the mean", "timm, mean", "timm, mean beside a class token",
    "timm, attention pool (SigLIP)", "eva, mean, registers", "relative positions, mean",
    "dinov3", "convnext", "swin", "efficientnet",
    "hub: siglip", "hub: siglip 2, naflex", "hub: align",
]  # fmt: skip


@torch.no_grad()
@pytest.mark.parametrize("name", POOLED_OVER_PATCHES)
def test_patches_that_are_all_alike_are_the_pooled_feature(name):
    """A pooling over patches that are one and the same must give what each alone gives."""
    network, tower = build(name)
    patch = tower.encode(images(), ("tokens",)).dense["tokens"][:, :1]
    grid = tower.encode(images(), ()).grid
    alike = patch.expand(-1, grid[0] * grid[1], -1)
    assert_close(
        pool_of_finished(network, tower, alike, grid), tower.project(patch)[:, 0], **TOLERANCE
    )


def test_a_projection_in_front_gets_its_gradient(built):
    _, tower = built
    dense = tower.encode(images(), ("tokens",)).dense["tokens"].detach()
    head = torch.eye(tower.dense_dim, requires_grad=True)
    tower.project(dense @ head).square().sum().backward()
    assert bool(head.grad.abs().sum() > 0)


@pytest.mark.parametrize("name", MAPS)
def test_maps_say_what_they_cannot_have(name):
    _, tower = build_timm(name)
    assert isinstance(tower, FeatureMap)
    for stream in ("vv", "value"):
        with pytest.raises(ConfigError, match=rf"no dense stream '{stream}': .*Its .*: 'tokens'"):
            tower.check([stream], "this")


def own_tokens(network: nn.Module) -> Tensor:
    """Return the last patches as the library has them, behind the norm that `finish` stands for."""
    if hasattr(network, "forward_tokens"):
        return network.forward_tokens(images())
    if hasattr(network, "forward_features"):
        features = network.forward_features(images())
        if features.ndim == 4:
            last = (
                features if type(network).__name__ == "SwinTransformer" else features.movedim(1, -1)
            )
            return last.flatten(1, 2)
        return features[:, network.num_prefix_tokens :]
    found: list[Tensor] = []
    handle = network.transformer.register_forward_hook(lambda *a: found.append(a[2]))
    network(images())
    handle.remove()
    patches = found[0][:, 1:]
    return network.ln_post(patches) if network.attn_pool is None else patches


def last_intermediate(network: nn.Module, is_map: bool) -> Tensor:
    """Return what the library's `forward_intermediates` has of the last block, normed."""
    if hasattr(network, "conv1"):  # open_clip's
        normed = network.attn_pool is None
        found = network.forward_intermediates(
            images(), indices=1, normalize_intermediates=normed, output_fmt="NLC",
            intermediates_only=True,
        )  # fmt: skip
        return found["image_intermediates"][-1]
    shape = "NCHW" if is_map else "NLC"
    (last,) = network.forward_intermediates(
        images(), indices=1, norm=True, output_fmt=shape, intermediates_only=True
    )
    return last.flatten(2).transpose(1, 2) if is_map else last


def pool_of_finished(network: nn.Module, tower, tokens: Tensor, grid: tuple[int, int]) -> Tensor:
    """Pool patches that are behind the last norm, by the library's own pooling."""
    if hasattr(network, "forward_tokens"):
        return network.pool(tokens)
    if hasattr(network, "forward_head"):
        if isinstance(tower, FeatureMap):
            last = tokens.unflatten(1, grid)
            return network.forward_head(last if tower._channels_last else last.movedim(-1, 1))
        prefix = tokens[:, :1].expand(-1, network.num_prefix_tokens, -1)
        return network.forward_head(torch.cat([prefix, tokens], dim=1))
    return tokens.mean(dim=1) @ network.proj


class SlowStreams:
    """`value` and `vv` by loops over images, heads and queries, from the docstring's formulas."""

    def __init__(self, tower: TransformerStreams) -> None:
        self.tower = tower.tower
        self.blocks = self.tower.blocks(torch.device("cpu"))

    def value(self, batch: Tensor) -> Tensor:
        x = self._input_of_last(batch)
        block, prefix = self.blocks[-1], self.tower.prefix
        normed = block.normed(x)
        (value,) = block.project(normed, 2, 3)
        added = block.output(value, normed)
        return self.tower.finish(block.feed_forward(x + added)[:, prefix:])

    def v_v(self, batch: Tensor) -> Tensor:
        x, prefix = self.tower.first_norm(self.tower.embed(batch)), self.tower.prefix
        stream = x.clone()
        for block in self.blocks:
            normed = block.normed(x)
            query, key, value = block.project(normed, 0, 3)
            stream = stream + block.output(self._attend(value, block.heads), normed)
            x = block.feed_forward(x + block.output(block.mix(query, key, value), normed))
        return self.tower.finish(stream[:, prefix:])

    def _input_of_last(self, batch: Tensor) -> Tensor:
        x = self.tower.first_norm(self.tower.embed(batch))
        for block in self.blocks[:-1]:
            normed = block.normed(x)
            query, key, value = block.project(normed, 0, 3)
            x = block.feed_forward(x + block.output(block.mix(query, key, value), normed))
        return x

    def _attend(self, value: Tensor, heads: int) -> Tensor:
        out = torch.empty_like(value)
        width = value.shape[-1] // heads
        for b in range(len(value)):
            for h in range(heads):
                part = value[b, :, h * width : (h + 1) * width].double()
                for q in range(len(part)):
                    weights = (part @ part[q] / width**0.5).softmax(0)
                    out[b, q, h * width : (h + 1) * width] = (weights @ part).to(value)
        return out
