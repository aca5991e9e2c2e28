"""Gradient projection: the formula, what is refused, steps in parts and in float16."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.testing import assert_close
from unchecked import as_installed

import plp
from plp.errors import ConfigError
from plp.learners.training_step import Trained
from plp.optim import GradientProjection, build_wrapper
from plp.optim.gradient_projection import project

SEEDS = st.integers(0, 2**31)


def vectors(seed, sizes=((3,), (2, 4))):
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(size, generator=generator, dtype=torch.float64) for size in sizes]


def flat(tensors):
    return torch.cat([tensor.flatten() for tensor in tensors])


@given(SEEDS, SEEDS, st.floats(0, 1))
def test_one_vector_of_all_parameters(first, second, strength):
    g, h = vectors(first), vectors(second)
    one, other = flat(g), flat(h)
    unit = other / other.norm()
    dot = float(one @ unit)
    expected = one - strength * dot * unit if dot < 0 else one
    assert_close(flat(project(g, h, strength)), expected)


@given(SEEDS, SEEDS, st.floats(0.01, 100))
def test_never_against_the_guide_and_whatever_its_length(first, second, factor):
    g, h = vectors(first), vectors(second)
    found = project(g, h)
    assert float(flat(found) @ flat(h)) > -1e-9
    assert_close(flat(project(g, [factor * part for part in h])), flat(found))
    scaled = project([factor * part for part in g], h)
    assert_close(flat(scaled), factor * flat(found))
    assert flat(found).norm() <= flat(g).norm() + 1e-12


def test_a_guide_of_length_zero_changes_nothing():
    g = vectors(0)
    assert_close(flat(project(g, [torch.zeros_like(part) for part in g])), flat(g))


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_a_guide_that_is_not_finite_is_no_step(value):
    """A loss scaler looks at the gradient, and skips the step."""
    g, h = [torch.tensor([1.0, -2.0])], [torch.tensor([value, 3.0])]
    assert not flat(project(g, h)).isfinite().all()


class Toy(Trained):
    """Two losses of one vector, of which one pulls against the other."""

    def __init__(self):
        super().__init__()
        self.x = nn.Parameter(torch.tensor([1.0, 2.0]))

    def forward(self, target, mode="loss"):
        return {
            "loss_task": (self.x - target).square().sum(),
            "loss_more": self.x[0] * 0.5,
            "loss_guide": (self.x * target).sum(),
        }


def wrapper_of(toy, **keywords):
    optimizer = torch.optim.SGD(toy.parameters(), lr=0.1)
    return GradientProjection("guide", optimizer=optimizer, **keywords)


def gradients(toy, targets):
    """Mean gradients of what is minimized and of the guide."""
    found = []
    for names in (("loss_task", "loss_more"), ("loss_guide",)):
        total = sum(toy(t)[name] for t in targets for name in names) / len(targets)
        found.append(torch.autograd.grad(total, toy.x)[0])
    return found


TARGETS = torch.tensor([[3.0, 1.0], [0.5, 4.0]])


@pytest.mark.parametrize("count", [1, 2])
def test_a_step_of_several_batches_projects_once(count):
    toy = Toy()
    wrapper = wrapper_of(toy, accumulative_counts=count)
    targets = TARGETS[:count]
    g, h = gradients(toy, targets)
    assert float(g @ h) < 0
    expected = toy.x.detach() - 0.1 * project([g], [h])[0]
    for n, target in enumerate(targets):
        before = toy.x.detach().clone()
        logged = toy.train_step(dict(target=target), wrapper)
        assert torch.equal(toy.x, before) == (n + 1 < count)
    assert_close(toy.x.detach(), expected)
    assert set(logged) == {"loss", "loss_task", "loss_more", "loss_guide"}
    assert_close(logged["loss"], logged["loss_task"] + logged["loss_more"])


def test_clipping_comes_after_the_projection():
    toy = Toy()
    g, h = gradients(toy, TARGETS[:1])
    used = project([g], [h])[0]
    toy.train_step(dict(target=TARGETS[0]), wrapper_of(toy, clip_grad=dict(max_norm=0.1)))
    assert_close(torch.tensor([1.0, 2.0]) - toy.x.detach(), 0.1 * 0.1 * used / used.norm())


def test_strength_zero_is_plain_descent():
    toy, plain = Toy(), Toy()
    toy.train_step(dict(target=TARGETS[0]), wrapper_of(toy, strength=0.0))
    g, _ = gradients(plain, TARGETS[:1])
    assert_close(toy.x.detach(), plain.x.detach() - 0.1 * g)


@pytest.mark.parametrize("strength", [-0.1, 1.5, True])
def test_refused_strengths(strength):
    with as_installed(), pytest.raises(ConfigError, match="strength to be a number from 0 to 1"):
        wrapper_of(Toy(), strength=strength)


@pytest.fixture
def learner(root, tiny_options):
    return plp.build_learner(
        root / "configs/prograd/vitb16_16shot.py", ["cat", "dog"], tiny_options
    )


SETTINGS = dict(type="GradientProjection", guide="teacher", optimizer=dict(type="SGD", lr=0.1))


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        (dict(guide="techer"), "got 'techer'. Did you mean 'teacher'.* Available: teacher"),
        (dict(guide="global"), "loss term of model.losses, got 'global'"),
        (dict(type="GradientProjektion"), "Did you mean 'GradientProjection'"),
    ],
)
def test_refused_settings(learner, changed, message):
    with pytest.raises(ConfigError, match=message):
        build_wrapper(SETTINGS | changed, learner)


def test_a_wrapper_that_cannot_scale_the_loss_is_refused_with_fp16(learner):
    learner.precision = "fp16"
    with pytest.raises(ConfigError, match=r"AmpLBFGSWrapper, .* not registered\. Use --amp bf16"):
        build_wrapper(SETTINGS | dict(type="LBFGSWrapper"), learner)


@pytest.mark.parametrize(
    ("key", "kind", "available"),
    [("teacher", "reference", "zero_shot"), ("branch", "branch", "global")],
)
def test_refused_names(root, tiny_options, key, kind, available):
    config = root / "configs/prograd/vitb16_16shot.py"
    options = tiny_options | {f"model.losses.teacher.{key}": "nobody"}
    message = rf"the {kind} 'nobody', which is not available\. Available: {available}"
    with pytest.raises(ConfigError, match=message):
        plp.build_learner(config, ["cat", "dog"], options)


def test_a_teacher_that_looks_at_patches_is_refused(root, tiny_options):
    reference = dict(
        type="LocalBranch", stream="value", prompt=dict(type="TemplatePrompt"),
        selector=dict(type="AllPatches"), aligner=dict(type="MeanAligner"),
    )  # fmt: skip
    learner = plp.build_learner(
        root / "configs/prograd/vitb16_16shot.py", ["cat", "dog"],
        tiny_options | {"model.references.zero_shot": dict(_delete_=True, **reference)},
    )  # fmt: skip
    with pytest.raises(
        ConfigError, match="reference 'zero_shot', which looks at the stream 'value'"
    ):
        learner(torch.zeros(1, 3, 96, 96), torch.tensor([0]), mode="loss")
