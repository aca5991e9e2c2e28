"""Tuners in a learner: who sees what they do, when it is computed again, what is refused."""

import pytest
import torch
from learners.one_step import LABELS, built, step
from learners.own_tuner import OwnTuner
from torch.testing import assert_close
from unchecked import as_installed

from plp.errors import ConfigError
from plp.export.program import ClassifierProgram
from plp.registry import LOSSES, SCORES
from plp.towers.points import ReplacedTokens, TowerPoints
from plp.tuners import Tuner
from plp.tuners.joined import joined

OWN = dict(type="OwnTuner")


@pytest.fixture
def build(root, backbone):
    """Build learners of the tree's configs that share the backbone."""

    def builder(name="coop", tuners=None, options=None):
        more = {} if tuners is None else {"tuners": tuners}
        return built(root, backbone, f"{name}/vitb16_16shot", options, **more).eval()

    return builder


def test_branches_see_what_tuners_do_and_references_do_not(build, pixels):
    plain, tuned = build(), build(tuners=dict(own=OWN))
    with torch.no_grad():
        before, after = plain.predict(pixels), tuned.predict(pixels)
    for one, other in zip(before, after, strict=True):
        assert not torch.allclose(one["logits"], other["logits"], atol=1e-3)
        assert torch.equal(one["zero_shot"], other["zero_shot"])


@pytest.mark.parametrize("method", ["coop", "sotglp", "gallop", "kgcoop", "cocoop"])
def test_gradient_reaches_every_parameter_of_a_tuner(build, pixels, method):
    _, grads = step(build(method, dict(own=OWN)), pixels)
    assert all(grad.abs().sum() > 0 for name, grad in grads.items() if name.startswith("tuners."))
    assert sum(name.startswith("tuners.own.") for name in grads) == 6


def test_gradient_is_the_slope_of_the_loss(build, pixels):
    learner = build(tuners=dict(own=OWN))
    _, grads = step(learner, pixels)
    weight = learner.tuners["own"].image_up
    direction = torch.randn_like(weight)
    with torch.no_grad():
        ends = []
        for sign in (1, -1):
            weight += sign * 1e-2 * direction
            ends.append(learner(pixels, LABELS, mode="loss")["loss_global"])
            weight -= sign * 1e-2 * direction
    slope = (ends[0] - ends[1]) / 2e-2
    assert_close(slope, (grads["tuners.own.image_up"] * direction).sum(), rtol=2e-2, atol=1e-3)


@pytest.mark.parametrize("dropout", [0.0, 0.5])
@pytest.mark.parametrize("chunk", [1, 2])
def test_chunks_of_classes_change_no_gradient(build, pixels, chunk, dropout):
    tuners = dict(own=dict(OWN, dropout=dropout))
    learner = build(tuners=tuners, options={"model.text_chunk": chunk})
    losses, grads = step(learner, pixels)
    if dropout:  # other random numbers than in one go: hold it against its own slope
        parameter = learner.tuners["own"].text_up
        with torch.no_grad():
            parameter -= 1e-2 * grads["tuners.own.text_up"]
        lower, _ = step(learner, pixels)
        assert lower["loss_global"] < losses["loss_global"]
        return
    whole_losses, whole = step(build(tuners=tuners), pixels)
    assert_close(losses, whole_losses)
    for name, grad in whole.items():
        assert_close(grads[name], grad, rtol=1e-4, atol=1e-5, msg=name)


def test_kept_texts_follow_a_tuner(build, pixels):
    learner = build("zeroshot", dict(own=OWN))
    with torch.no_grad():
        before = learner.encode_text()["global"]
        assert learner.encode_text()["global"] is before
        learner.tuners["own"].text_up.add_(1.0)
        assert not torch.allclose(learner.encode_text()["global"], before)


def test_a_state_holds_what_tuners_learned(build, pixels):
    trained, fresh = build(tuners=dict(own=OWN)), build(tuners=dict(own=OWN))
    with torch.no_grad():
        for parameter in trained.tuners.parameters():
            parameter.add_(torch.randn_like(parameter))
        state = trained.state_dict()
        assert not any(name.startswith("backbone.") for name in state)
        fresh.load_state_dict(state)
        assert torch.equal(trained(pixels)["logits"], fresh(pixels)["logits"])


def test_a_teacher_sees_the_frozen_tower(build, pixels, backbone):
    class Teacher(LOSSES.get("TextAnchor")):
        needs_frozen_images = True

        def forward(self, inputs):
            self.seen = inputs.features
            return super().forward(inputs)

    learner = build(tuners=dict(own=OWN))
    term = learner.losses["teacher"] = Teacher()
    step(learner, pixels)
    expected = backbone.encode_image(backbone.normalise(pixels)).pooled
    assert torch.equal(term.seen.untuned.pooled, expected)
    assert not torch.allclose(term.seen.pooled, expected, atol=1e-3)
    assert not term.seen.untuned.pooled.requires_grad


def test_an_exported_program_has_them(build, pixels):
    learner = build(tuners=dict(own=OWN))
    program = ClassifierProgram(learner, SCORES.build(dict(type="MSP", logit_scale=1.0)))
    with torch.no_grad():
        expected = learner(pixels)["logits"].softmax(-1)
    assert_close(program(pixels)["probabilities"], expected, atol=1e-6, rtol=1e-5)


def test_two_tuners_act_together(backbone):
    one, two = OwnTuner(backbone), OwnTuner(backbone)
    points = joined({"one": one.image_points(), "two": two.image_points()})
    assert list(points.extra) == ["one.tokens", "two.tokens"]
    x = torch.randn(3, 64)
    (update,) = points.updates.values()
    separate = [next(iter(t.image_points().updates.values()))(x) for t in (one, two)]
    assert_close(update(x), sum(separate))


def test_what_two_tuners_both_replace_is_refused():
    tokens = ReplacedTokens(1, {0: torch.zeros(2, 4)})
    overlapping = ReplacedTokens(2, {0: torch.zeros(2, 4)})
    with pytest.raises(ConfigError, match="'a' and 'b' both replace token 2 before block 0"):
        joined({"a": TowerPoints(replaced=[tokens]), "b": TowerPoints(replaced=[overlapping])})
    weights = dict(weights={"norm_post.weight": torch.ones(4)})
    with pytest.raises(ConfigError, match=r"both replace weight 'norm_post.weight'"):
        joined({"a": TowerPoints(**weights), "b": TowerPoints(**weights)})


@pytest.mark.parametrize(
    ("tuners", "message"),
    [
        ([OWN], "tuners as a dict of tuners by name"),
        ({"a.b": OWN}, "no dots"),
        ({"own": dict(type="OwnTunr")}, "Did you mean 'OwnTuner'"),
    ],
)
def test_what_is_no_dict_of_tuners_is_refused(build, tuners, message):
    with as_installed(), pytest.raises(ConfigError, match=message):
        build(tuners=tuners)


def test_a_tower_that_nothing_can_act_inside_is_refused(build, backbone, monkeypatch):
    monkeypatch.setattr(type(backbone), "inside", lambda self, side: _refuse())
    with pytest.raises(ConfigError, match=r"tuner 'own' acts on the image tower: sealed"):
        build(tuners=dict(own=_Quiet()))


class _Quiet(Tuner):
    acts_on_images = True

    def image_points(self):
        return TowerPoints()


def _refuse():
    raise ConfigError("sealed")


class _Silent(Tuner):
    def image_points(self):
        return TowerPoints()


class _Promising(Tuner):
    acts_on_texts = True


class _Deaf(Tuner):
    acts_on_texts = True

    def text_points(self):
        return TowerPoints()


class _Greedy(_Quiet):
    def __init__(self, backbone):
        super().__init__()
        self.model = backbone


@pytest.mark.parametrize(
    ("tuner", "message"),
    [
        (lambda _: _Silent(), "tuner 'mine' acts on nothing"),
        (lambda _: _Promising(), "says acts_on_texts, but does not override text_points"),
        (lambda _: _Deaf(), r"expected _Deaf.text_points\(self, texts\), got text_points\(self\)"),
        (_Greedy, "holds the backbone's own weight as 'model.model"),
    ],
)
def test_a_tuner_that_cannot_mean_what_it_does_is_refused(build, backbone, tuner, message):
    with pytest.raises(ConfigError, match=message):
        build(tuners=dict(mine=tuner(backbone)))


def test_classes_a_tuner_is_bound_to_cannot_be_exchanged(build):
    bound = _Quiet()
    bound.supports_new_classes = False
    learner = build(tuners=dict(own=bound))
    with pytest.raises(ConfigError, match="tuner own belongs to the classes"):
        learner.set_class_names(["bird"])
