"""Linear layers cast once give the numbers of layers cast in every call."""

import copy

import pytest
import torch
from torch import nn

from plp.structures import PromptTokens
from plp.towers.half_copy import HalfCopy

CPU = torch.device("cpu")


def network():
    torch.manual_seed(0)
    layers = nn.Sequential(nn.Linear(8, 16), nn.LayerNorm(16), nn.GELU(), nn.Linear(16, 4))
    return layers.requires_grad_(False)


def passed(module, inputs):
    """Return the output and the gradient of the input, under autocast."""
    inputs = inputs.clone().requires_grad_()
    with torch.autocast("cpu", torch.bfloat16):
        found = module(inputs)
    found.float().square().sum().backward()
    return found, inputs.grad


def test_the_copy_gives_the_same_numbers_to_the_bit():
    plain, half = network(), HalfCopy()
    inputs = torch.randn(5, 8)
    with torch.autocast("cpu", torch.bfloat16):
        stored = half.of(plain, CPU)
    assert {layer.weight.dtype for layer in stored if isinstance(layer, nn.Linear)} == {
        torch.bfloat16
    }
    for one, other in zip(passed(stored, inputs), passed(plain, inputs), strict=True):
        assert torch.equal(one, other)


def test_outside_autocast_there_is_no_copy():
    plain = network()
    assert HalfCopy().of(plain, CPU) is plain


def test_its_memory_is_kept_and_another_precision_has_its_own():
    plain, half = network(), HalfCopy()
    with torch.autocast("cpu", torch.bfloat16):
        first = half.of(plain, CPU)[0].weight
        assert half.of(plain, CPU)[0].weight.data_ptr() == first.data_ptr()
    with torch.autocast("cpu", torch.float16):
        assert half.of(plain, CPU)[0].weight.dtype == torch.float16
    assert plain[0].weight.dtype == torch.float32


def test_all_but_the_weights_of_products_is_the_networks_own():
    plain = network()
    with torch.autocast("cpu", torch.bfloat16):
        stored = HalfCopy().of(plain, CPU)
    assert stored[1] is plain[1]  # the norm
    assert stored[0].bias.dtype == torch.bfloat16
    assert plain[0].bias.dtype == torch.float32


def by_assignment(plain, other):
    plain.load_state_dict(other.state_dict(), assign=True)


def by_new_parameters(plain, other):
    for layer in (0, 3):
        plain[layer].weight = nn.Parameter(other[layer].weight.clone(), requires_grad=False)
        plain[layer].bias = nn.Parameter(other[layer].bias.clone(), requires_grad=False)


def by_copying(plain, other):
    for mine, theirs in zip(plain.parameters(), other.parameters(), strict=True):
        mine.copy_(theirs)


def behind_the_version(plain, other):
    for mine, theirs in zip(plain.parameters(), other.parameters(), strict=True):
        mine.data.copy_(theirs)


def by_new_data(plain, other):
    for mine, theirs in zip(plain.parameters(), other.parameters(), strict=True):
        mine.data = theirs.clone()


def through_numpy(plain, other):
    for mine, theirs in zip(plain.parameters(), other.parameters(), strict=True):
        mine.numpy()[...] = theirs.numpy()


def by_an_optimizer(plain, other):
    for mine, theirs in zip(plain.parameters(), other.parameters(), strict=True):
        mine.grad = mine - theirs
    torch.optim.SGD(plain.parameters(), lr=1.0).step()
    plain.zero_grad()


def by_new_layers(plain, other):
    for place in range(4):
        plain[place] = copy.deepcopy(other[place])


def by_swapping(plain, other):
    for mine, theirs in zip(plain.parameters(), copy.deepcopy(other).parameters(), strict=True):
        torch.utils.swap_tensors(mine, theirs)


def of_one_value(plain, other):
    plain[0].weight.data[3, 2] += 1.0


WAYS = (
    by_assignment, by_new_parameters, by_copying, behind_the_version, by_new_data, through_numpy,
    by_an_optimizer, by_new_layers, by_swapping, of_one_value,
)  # fmt: skip


@pytest.mark.parametrize("change", WAYS, ids=lambda way: way.__name__)
def test_weights_changed_in_any_way_take_part(change):
    plain, half, inputs = network(), HalfCopy(), torch.randn(5, 8)
    other = copy.deepcopy(plain)
    for parameter in other.parameters():
        parameter.add_(torch.randn_like(parameter))
    with torch.autocast("cpu", torch.bfloat16):
        before = half.of(plain, CPU)(inputs)
        change(plain, other)
        after, fresh = half.of(plain, CPU)(inputs), copy.deepcopy(plain)(inputs)
    assert torch.equal(after, fresh)
    assert not torch.equal(after, before)


def test_a_network_that_takes_the_place_of_a_freed_one_has_its_own_weights():
    """Python gives its address, torch that of its weights, to the next one."""
    half, inputs = HalfCopy(), torch.randn(5, 8)
    with torch.autocast("cpu", torch.bfloat16):
        for seed in range(4):
            plain = nn.Sequential(nn.Linear(8, 4)).requires_grad_(False)
            plain[0].weight.normal_(generator=torch.Generator().manual_seed(seed))
            assert torch.equal(half.of(plain, CPU)(inputs), plain(inputs))
            del plain


def test_a_graph_keeps_the_weights_it_was_made_with():
    """Two calls before one gradient, as two branches make them; then a change in between."""
    plain, half, inputs = network(), HalfCopy(), torch.randn(5, 8)
    expected = passed(plain, inputs)[1]
    leaf = inputs.clone().requires_grad_()
    with torch.autocast("cpu", torch.bfloat16):
        first = half.of(plain, CPU)(leaf)
        half.of(plain, CPU)(leaf)
        plain[0].weight.mul_(2.0)
        plain[3].weight.mul_(2.0)
        half.of(plain, CPU)(leaf)
    first.float().square().sum().backward()
    assert torch.equal(leaf.grad, expected)


def test_weights_that_learn_are_left_to_autocast_and_get_their_gradient():
    plain, half = network(), HalfCopy()
    plain[3].weight.requires_grad_()
    with torch.autocast("cpu", torch.bfloat16):
        half.of(plain, CPU)(torch.randn(5, 8)).float().sum().backward()
    assert plain[3].weight.grad is not None


def test_inference_mode_first_and_a_gradient_after():
    plain, half = network(), HalfCopy()
    with torch.autocast("cpu", torch.bfloat16), torch.inference_mode():
        half.of(plain, CPU)(torch.randn(5, 8))
    leaf = torch.randn(5, 8, requires_grad=True)
    with torch.autocast("cpu", torch.bfloat16):
        half.of(plain, CPU)(leaf).float().sum().backward()
    assert leaf.grad is not None


def test_copying_the_owner_does_not_copy_the_copy():
    half = HalfCopy()
    with torch.autocast("cpu", torch.bfloat16):
        half.of(network(), CPU)
    assert copy.deepcopy(half)._memory[1] == []


@pytest.mark.parametrize("side", ["text", "image"])
def test_clip_towers_use_the_copy_and_give_the_same_numbers(tiny, monkeypatch, side):
    """Under autocast, with and without: texts and their gradient, pooled feature and stream."""

    def run():
        torch.manual_seed(0)
        with torch.autocast("cpu", torch.bfloat16):
            if side == "image":
                features = tiny.encode_image(torch.randn(2, 3, 96, 96), ["vv"])
                return [features.pooled, features.dense["vv"]]
            embeddings = torch.randn(3, 2, 6, 128, requires_grad=True)
            end = torch.tensor([[5, 3], [2, 4], [5, 5]])
            text = tiny.encode_text(PromptTokens(embeddings, end))
        text.float().square().sum().backward()
        return [text, embeddings.grad]

    made = []
    with_copy = HalfCopy.of
    monkeypatch.setattr(HalfCopy, "of", lambda *given: made.append(with_copy(*given)) or made[-1])
    found = run()
    assert made
    assert made[0].resblocks[0].attn.in_proj_weight.dtype == torch.bfloat16
    monkeypatch.setattr(HalfCopy, "of", lambda self, network, device: network)
    for one, other in zip(found, run(), strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize("change", [by_copying, behind_the_version, by_assignment])
def test_clip_in_bf16_follows_its_weights(tiny_like, change):
    """Encode, load other weights, encode: as a model that never had any but those."""
    backbone, other = tiny_like(seed=0), tiny_like(seed=1)
    images, before = torch.randn(2, 3, 96, 96), backbone.fingerprint
    embeddings, end = torch.randn(3, 2, 6, 128), torch.tensor([[5, 3], [2, 4], [5, 5]])

    def encoded(one):
        with torch.autocast("cpu", torch.bfloat16):
            features = one.encode_image(images, ["vv"])
            text = one.encode_text(PromptTokens(embeddings, end))
        return features.pooled, features.dense["vv"], text

    old = encoded(backbone)
    with torch.no_grad():
        change(backbone.model, other.model)
    for mine, theirs, stale in zip(encoded(backbone), encoded(other), old, strict=True):
        assert torch.equal(mine, theirs)
        assert not torch.equal(mine, stale)
    assert backbone.fingerprint == other.fingerprint != before
