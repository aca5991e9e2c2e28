"""Low-rank updates and learned norms on towers of every family: laws, merging, refusals."""

import copy

import pytest
import torch
from torch.testing import assert_close
from towers import image_cases, text_cases, text_oracle
from unchecked import as_installed

from plp.backbones.base import Backbone
from plp.errors import ConfigError
from plp.towers.points import TowerPoints
from plp.tuners import LowRank, TextContext, TrainableNorms
from plp.tuners.places import chosen, stacks_of

IMAGES = [*image_cases.OPEN_CLIP, *image_cases.PLAIN, *image_cases.HUB]
IMAGES = [name for name in IMAGES if name not in ("hub: align", "hub: siglip 2, naflex")]
TEXTS = [*text_cases.WITH_BLOCKS, *text_cases.ENCODERS]
ALL = [("image", name) for name in IMAGES] + [("text", name) for name in TEXTS]
MERGED = {"atol": 1e-5, "rtol": 1e-5}


class Case(Backbone):
    """One tower of a family: what a tuner is built on, and a pass."""

    def __init__(self, side, tower, network=None, whole=None):
        super().__init__()
        self.side, self.tower, self.network, self.whole = side, tower, network, whole

    def inside(self, side):
        return self.tower.description

    def points(self, tuner):
        return tuner.image_points() if self.side == "image" else tuner.text_points(context())

    def encode(self, points=None):
        if self.side == "image":
            return self.tower.encode(image_cases.images(), (), points).pooled
        prompts = text_oracle.filled(self.whole, text_oracle.TEMPLATE, text_oracle.NAMES)
        return self.whole.encode_text(prompts, points)


def context():
    return TextContext(torch.arange(len(text_oracle.NAMES)), lambda name: None)


@pytest.fixture(scope="module", params=ALL, ids=lambda case: "-".join(case))
def case(request, tmp_path_factory):
    side, name = request.param
    if side == "image":
        network, tower = image_cases.build(name)
        network.requires_grad_(False)
        return Case(side, tower, network)
    backbone = text_oracle.build(name, tmp_path_factory.mktemp("text"))
    return Case(side, backbone.text_tower, backbone.model, backbone)


def low_rank(case, **options):
    options = {"matrices": ("q", "k", "v", "o"), "r": 2, **options}
    return LowRank(case, towers=case.side, **options)


def move(tuner, size=0.2):
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in tuner.parameters():
            parameter.add_(size * torch.randn(parameter.shape, generator=generator))
    return tuner


@torch.no_grad()
def test_what_is_switched_off_is_the_frozen_tower_bit_for_bit(case):
    frozen = case.encode()
    off = [
        low_rank(case, dropout=0.5),  # as it starts: B is zero
        move(low_rank(case, alpha=0.0)),
        low_rank(case, r=0),
        TrainableNorms(case, towers=case.side, norms=("*norm*", "*ln_*")[:1]),
    ]
    for tuner in off:
        for training in (True, False):
            assert torch.equal(case.encode(case.points(tuner.train(training))), frozen)


@torch.no_grad()
def test_merged_is_unmerged(case):
    tuner = move(low_rank(case, matrices=("*",))).eval()
    merged = case.encode(case.points(tuner))
    tuner.merge = False
    beside = case.encode(case.points(tuner))
    assert_close(merged, beside, **MERGED)
    assert not torch.allclose(merged, case.encode(), atol=1e-2)


@torch.no_grad()
def test_what_is_written_into_a_tower_is_what_acted_on_it(case):
    before = {name: value.clone() for name, value in case.network.state_dict().items()}
    own = copy.deepcopy(case)
    tuner = move(low_rank(own)).eval()
    norms = move(TrainableNorms(own, towers=own.side, norms=("*norm*",))).eval()
    points = TowerPoints(updates=own.points(tuner).updates, weights=own.points(norms).weights)
    expected = case.encode(points)
    assert own.tower.description.write(points)
    assert_close(own.encode(), expected, **MERGED)
    assert all(
        torch.equal(value, before[name]) for name, value in case.network.state_dict().items()
    )


def test_gradient_reaches_every_parameter(case):
    tuner, norms = move(low_rank(case)).train(), TrainableNorms(case, case.side, ("*norm*",))
    points = TowerPoints(updates=case.points(tuner).updates, weights=case.points(norms).weights)
    case.encode(points).square().sum().backward()
    assert all(bool(p.grad.abs().sum() > 0) for p in tuner.parameters())
    assert any(bool(p.grad.abs().sum() > 0) for p in norms.parameters())


def test_merged_weights_follow_parameters_and_weights():
    network, tower = image_cases.build("clip")
    network.requires_grad_(False)
    case = Case("image", tower)
    tuner = move(low_rank(case)).eval()

    def both():
        with torch.no_grad():
            tuner.merge = False
            beside = case.encode(case.points(tuner))
            tuner.merge = True
            return case.encode(case.points(tuner)), beside

    def kept():  # the tensors themselves, so that their memory is not used again
        return [value for _, value in tuner._merged["image"]._kept.values()]

    assert_close(*both(), **MERGED)
    first = kept()
    assert_close(*both(), **MERGED)
    assert all(one is other for one, other in zip(kept(), first, strict=True))
    with torch.no_grad():
        tuner.image_A.mul_(2.0)
    assert_close(*both(), **MERGED)
    assert not any(one is other for one, other in zip(kept(), first, strict=True))
    with torch.no_grad():
        network.transformer.resblocks[0].attn.in_proj_weight.mul_(1.5)
    assert_close(*both(), **MERGED)
    tuner.image_B.data.mul_(3.0)  # no version counter sees it: what swaps so switches the mode
    tuner.train().eval()
    assert_close(*both(), **MERGED)


def test_half_precision_weights_are_merged_in_float32():
    network, tower = image_cases.build("clip")
    network.requires_grad_(False).to(torch.bfloat16)
    case = Case("image", tower)
    tuner = move(low_rank(case)).eval()
    attention = network.transformer.resblocks[0].attn
    before = attention.in_proj_weight.clone()
    for _ in range(10):
        with torch.no_grad():
            changed = tower.description.at(tuner.image_points())
        tuner.train().eval()
    found = changed.roots[0]
    merged = getattr(changed, found).transformer.resblocks[0].attn.in_proj_weight
    deltas = [tuner.image_points().updates[f"blocks.0.{part}"].matrix() for part in "qkv"]
    assert torch.equal(merged, (before.float() + torch.cat(deltas)).to(torch.bfloat16))
    assert torch.equal(attention.in_proj_weight, before)


@pytest.mark.parametrize("dropout", [0.0, 0.5])
def test_dropout_is_in_training_alone_and_for_each_matrix(dropout):
    _, tower = image_cases.build("clip")
    tuner = move(low_rank(Case("image", tower), dropout=dropout))
    x = torch.randn(64, 32)
    torch.manual_seed(0)
    training = [u(x) for u in tuner.train().image_points().updates.values()]
    calm = tuner.eval().image_points().updates
    assert all(update.dropout == 0 for update in calm.values())
    same = [torch.equal(one, u(x)) for one, u in zip(training, calm.values(), strict=True)]
    assert all(same) if not dropout else not any(same)


def test_the_scale_is_alpha_over_r_or_over_its_root():
    _, tower = image_cases.build("clip")
    case = Case("image", tower)
    assert low_rank(case, r=4, alpha=2.0).scale == 0.5
    assert low_rank(case, r=4, alpha=2.0, scaling="alpha/sqrt(r)").scale == 1.0


def test_matrices_of_one_shape_lie_in_one_tensor_others_in_one_each():
    shapes = {f"blocks.{j}.{part}": (4, 4) for j in range(3) for part in "qk"}
    places = chosen(shapes, ("k", "q"), None, "")
    (stack,) = stacks_of(places, shapes)
    assert (stack.suffix, stack.leading) == ("", (3, 2))
    assert stack.names[:3] == ("blocks.0.k", "blocks.0.q", "blocks.1.k")
    shapes |= {f"blocks.{j}.fc1": (8, 4) for j in range(3)} | {"projection": (2, 4)}
    found = stacks_of(chosen(shapes, ("q", "fc1", "projection"), None, ""), shapes)
    assert [(s.suffix, s.leading) for s in found] == [
        ("_q", (3,)), ("_fc1", (3,)), ("_projection", ())
    ]  # fmt: skip
    shapes["blocks.1.q"] = (5, 5)  # a pyramid
    found = stacks_of(chosen(shapes, ("q",), (0, -2), ""), shapes)
    assert [s.suffix for s in found] == ["_blocks_0_q", "_blocks_1_q"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (dict(matrices=("q", "vv")), r"image tower: nothing is called 'vv'.*Did you mean 'v'.*o"),
        (dict(matrices="q"), "expected names in a list or tuple, got 'q'"),
        (dict(blocks=(0, 3)), r"expected numbers of blocks from 0 to 2 .*got 3"),
        (dict(matrices=("projection",), blocks=(0,)), r"'projection' in blocks \[0\]"),
        (dict(r=-1), "r, the rank, to be an integer >= 0, got -1"),
        (dict(alpha=float("nan")), "alpha to be a finite number"),
        (dict(scaling="r"), r"'alpha/r' or 'alpha/sqrt\(r\)', got 'r'"),
        (dict(dropout=1.0), "dropout to be a number >= 0 and < 1"),
    ],
)
def test_what_a_tower_does_not_have_is_refused(options, message):
    _, tower = image_cases.build("clip")
    with as_installed(), pytest.raises(ConfigError, match=message):
        low_rank(Case("image", tower), **options)


def test_towers_and_norms_that_are_not_there_are_refused():
    _, tower = image_cases.build("clip")
    case = Case("image", tower)
    told = "towers 'image', 'text' or 'both', got 'vision'"
    with as_installed(), pytest.raises(ConfigError, match=told):
        LowRank(case, towers="vision")
    with pytest.raises(ConfigError, match=r"norms of the image tower: nothing is called 'norm3'"):
        TrainableNorms(case, "image", ("norm3",))
