"""Linear probe: min over W, b of S sum_i CE(W n(f_i) + b, y_i) + |W|^2 / 2, S by validation."""

import pytest
import torch
from references import LABELS, cross_entropy, unit

from plp.structures import Shots

STRENGTHS = (0.01, 0.1, 1.0, 10.0, 100.0)
SOLVED = dict(atol=5e-3, rtol=5e-3)  # scikit-learn stops at a gradient of 1e-4


def draw_shots(noise):
    """Two views of three noisy shots per class, and validation images."""
    generator = torch.Generator().manual_seed(5)
    centres = torch.randn(4, 64, generator=generator, dtype=torch.float64)

    def draw(views, images):
        labels = torch.arange(images) % 4
        off = torch.randn(views, images, 64, generator=generator, dtype=torch.float64)
        return Shots(3.0 * (centres[labels] + noise * off), labels)

    return draw(2, 12), draw(1, 20)


@pytest.fixture
def shots():
    """Shots that not every strength classifies alike."""
    return draw_shots(noise=4.0)


def solve(features, labels, strength):
    """Minimise the objective by L-BFGS in float64, to a gradient of 1e-9."""
    weight = torch.zeros(4, features.shape[1], dtype=torch.float64, requires_grad=True)
    bias = torch.zeros(4, dtype=torch.float64, requires_grad=True)
    optimiser = torch.optim.LBFGS(
        [weight, bias], max_iter=2000, tolerance_grad=1e-9, tolerance_change=0.0,
        line_search_fn="strong_wolfe",
    )  # fmt: skip

    def objective():
        optimiser.zero_grad()
        logits = features @ weight.T + bias
        loss = strength * len(labels) * cross_entropy(logits, labels) + weight.square().sum() / 2
        loss.backward()
        return loss

    optimiser.step(objective)
    return weight.detach(), bias.detach()


def choose(shots, val):
    """Fit each strength, keep the one with the best validation accuracy, then cross-entropy."""
    features = torch.stack([unit(f) for view in shots.pooled for f in view])
    held = torch.stack([unit(f) for f in val.pooled[0]])
    fits = {s: solve(features, torch.cat([shots.labels] * 2), s) for s in STRENGTHS}

    def quality(strength):
        weight, bias = fits[strength]
        logits = held @ weight.T + bias
        hits = (logits.argmax(-1) == val.labels).double().mean()
        return float(hits), -float(cross_entropy(logits, val.labels))

    best = max(STRENGTHS, key=quality)
    return best, fits[best], quality(best)[0]


def centred(logits):
    """Take the mean over classes off: the objective leaves the sum of the biases free."""
    return logits - logits.mean(-1, keepdim=True)


def test_linear_probe(build, clip_of, pixels, shots):
    learner = build("linear_probe/vitb16_16shot")
    strength, (weight, bias), accuracy = choose(*shots)
    assert learner.fit(*shots) == [
        f"probe: logistic regression on 12 images, C = {strength:g} "
        f"(validation accuracy {100 * accuracy:.1f} %)"
    ]
    logits = torch.stack([weight @ unit(f) + bias for f in clip_of(learner).images(pixels)])
    found = learner(pixels)
    assert set(found) == {"logits", "probe"}
    torch.testing.assert_close(centred(found["logits"]), centred(logits), **SOLVED)
    losses = learner(pixels, LABELS, mode="loss")
    assert set(losses) == {"loss_probe"}
    torch.testing.assert_close(losses["loss_probe"], cross_entropy(logits), **SOLVED)
    assert not losses["loss_probe"].requires_grad


def test_what_is_kept_is_a_stationary_point(build, shots):
    """Of the stated objective."""
    learner = build("linear_probe/vitb16_16shot")
    learner.fit(*shots)
    probe = learner.branches["probe"]
    strength = choose(*shots)[0]
    features = torch.stack([unit(f) for view in shots[0].pooled for f in view])
    labels = torch.cat([shots[0].labels] * 2)

    def steepest(weight, bias):
        weight, bias = (value.detach().clone().requires_grad_(True) for value in (weight, bias))
        loss = strength * len(labels) * cross_entropy(features @ weight.T + bias, labels)
        loss = loss + weight.square().sum() / 2
        return max(float(g.abs().max()) for g in torch.autograd.grad(loss, [weight, bias]))

    tolerance = 1e-4 * strength * len(labels)  # scikit-learn's, of the mean over images
    assert steepest(probe.weight, probe.bias) < 1.01 * tolerance
    assert steepest(1.01 * probe.weight, probe.bias) > 2 * tolerance


def test_a_fit_that_stops_early_says_so(build, shots, monkeypatch):
    monkeypatch.setattr("plp.branches.linear_probe._MOST_STEPS", 2)
    (line,) = build("linear_probe/vitb16_16shot").fit(*shots)
    assert line.endswith(", stopped after 2 steps, not converged")


def test_of_equal_accuracies_the_lowest_cross_entropy_wins(build):
    """Shots so easy that several strengths classify all validation images."""
    easy = draw_shots(noise=1.5)
    strength, _, accuracy = choose(*easy)
    assert accuracy == 1.0
    (line,) = build("linear_probe/vitb16_16shot").fit(*easy)
    assert f"C = {strength:g} (validation accuracy 100.0 %)" in line


def test_without_validation_images_the_middle_strength_is_taken(build, clip_of, pixels, shots):
    learner = build("linear_probe/vitb16_16shot")
    assert "C = 1 (no validation images)" in learner.fit(shots[0], None)[0]
    features = torch.stack([unit(f) for view in shots[0].pooled for f in view])
    weight, bias = solve(features, torch.cat([shots[0].labels] * 2), 1.0)
    logits = torch.stack([weight @ unit(f) + bias for f in clip_of(learner).images(pixels)])
    found = learner(pixels)["logits"]
    torch.testing.assert_close(centred(found), centred(logits), **SOLVED)


@pytest.mark.parametrize("present", [(0, 2), (0, 1, 3)])
def test_classes_without_a_shot_are_never_predicted(build, pixels, shots, present):
    learner = build("linear_probe/vitb16_16shot")
    chosen = torch.isin(shots[0].labels, torch.tensor(present))
    learner.fit(Shots(shots[0].pooled[:, chosen], shots[0].labels[chosen]), None)
    logits = learner(pixels)["logits"]
    absent = [c for c in range(4) if c not in present]
    assert (logits[:, absent] < logits[:, list(present)].amin(1, keepdim=True) - 100).all()
    probabilities = logits[:, list(present)].softmax(-1)
    assert (probabilities > 0).all()


def test_two_classes_are_one_regression(build, clip_of, pixels, shots):
    """scikit-learn fits one row for two classes; the probabilities are its own."""
    from sklearn.linear_model import LogisticRegression

    learner = build("linear_probe/vitb16_16shot", class_names=("cat", "red car"))
    chosen = shots[0].labels < 2
    few = Shots(shots[0].pooled[:, chosen], shots[0].labels[chosen])
    learner.fit(few, None)
    features = torch.stack([unit(f) for view in few.pooled for f in view])
    probe = LogisticRegression(C=1.0, max_iter=1000)
    probe.fit(features.numpy(), torch.cat([few.labels] * 2).numpy())
    images = torch.stack([unit(f) for f in clip_of(learner).images(pixels)])
    expected = torch.from_numpy(probe.predict_proba(images.numpy()))
    torch.testing.assert_close(learner(pixels)["logits"].softmax(-1), expected)
