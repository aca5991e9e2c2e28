"""Classifiers that start at the texts (ZS-LP, CLAP) or are blended with them (LP++)."""

import pytest
import torch
from references import CLASSES, LABELS, NAMES, assert_method, averaged, cosines, cross_entropy, unit
from torch.testing import assert_close

from plp.errors import ConfigError
from plp.structures import Shots

WEIGHT = "branches.probe.weight"
TEMPLATES = "model.branches.probe.prompt.templates"
TWO = ("a photo of a {}.", "itap of a {}.")
VIEWS = 2
ORDER = (3, 0, 1, 2, 2, 0, 3)  # class 1 has one shot


@pytest.fixture
def shots():
    """Views of a few shots, and validation images like them."""
    generator = torch.Generator().manual_seed(5)
    centres = torch.randn(4, 64, generator=generator, dtype=torch.float64)

    def draw(views, labels):
        noise = torch.randn(views, len(labels), 64, generator=generator, dtype=torch.float64)
        return Shots(3.0 * (centres[labels] + 2.5 * noise), labels)

    return draw(VIEWS, torch.tensor(ORDER)), draw(1, torch.arange(4).repeat(9))


def texts(clip, template):
    return [clip.sentence(template.format(name)).detach() for name in NAMES]


def stir(learner):
    generator = torch.Generator().manual_seed(6)
    weight = learner.get_parameter(WEIGHT)
    with torch.no_grad():
        weight.add_(0.3 * torch.randn(weight.shape, generator=generator, dtype=torch.float64))


# ------------------------------------------------------------------------------------ ZS-LP, CLAP


def multipliers(clip, shots, start):
    """Mean over a class's shots and views of the probability that the start gives the class."""
    by_class = [[] for _ in NAMES]
    for view in shots.pooled:
        for image, label in zip(view, shots.labels.tolist(), strict=True):
            logits = clip.scale * cosines([image], start)[0]
            by_class[label].append(logits.exp()[label] / logits.exp().sum())
    return [sum(values) / len(values) for values in by_class]


def probe(clip, pixels, start, factors=None):
    """logits = s cos(x, w_c); loss = CE, for CLAP + mean of factors_c |w_c - t_c|^2."""

    def reference(learned):
        rows = learned[WEIGHT]
        logits = clip.scale * cosines(clip.images(pixels), list(rows))
        loss = cross_entropy(logits)
        for c, factor in enumerate(factors or []):
            loss = loss + factor * (rows[c] - start[c]).square().sum() / len(NAMES)
        return {"logits": logits, "probe": logits}, {"loss_probe": loss}

    return reference


@pytest.mark.parametrize("method", ["zslp", "clap"])
def test_rows_start_at_the_mean_of_raw_texts(build, clip_of, pixels, shots, method):
    learner = build(f"{method}/vitb16_16shot", {TEMPLATES: TWO})
    clip = clip_of(learner)
    start = [(a + b) / 2 for a, b in zip(*(texts(clip, t) for t in TWO), strict=True)]
    with torch.no_grad():
        before = learner(pixels)["logits"]
    assert_close(before, clip.scale * cosines(clip.images(pixels), start))
    (told,) = learner.fit(*shots)
    assert told.startswith("probe: a classifier of 4 rows that start at the texts")
    assert list(learner.state_dict()) == [WEIGHT]
    assert_close(learner.state_dict()[WEIGHT], torch.stack(start))
    with torch.no_grad():
        assert_close(learner(pixels)["logits"], before)


def test_zslp(build, clip_of, pixels, shots):
    learner = build("zslp/vitb16_16shot")
    learner.fit(*shots)
    stir(learner)
    assert_method(learner, pixels, probe(clip_of(learner), pixels, None))


def test_clap(build, clip_of, pixels, shots):
    learner = build("clap/vitb16_16shot", {TEMPLATES: TWO})
    clip = clip_of(learner)
    start = [(a + b) / 2 for a, b in zip(*(texts(clip, t) for t in TWO), strict=True)]
    factors = multipliers(clip, shots[0], start)
    (told,) = learner.fit(*shots)
    low, high = float(min(factors)), float(max(factors))
    assert told.endswith(f"multipliers of the penalty {low:.3g} to {high:.3g}")
    stir(learner)
    assert_method(learner, pixels, probe(clip, pixels, start, factors))
    wrong = [factor + 1e-6 for factor in factors]
    with pytest.raises(AssertionError, match="not close"):
        assert_method(learner, pixels, probe(clip, pixels, start, wrong))


def test_a_class_without_shots_has_the_mean_multiplier(build, clip_of, shots):
    learner = build("clap/vitb16_16shot")
    kept = shots[0].labels != 1
    few = Shots(shots[0].pooled[:, kept], shots[0].labels[kept])
    learner.fit(few, None)
    found = learner.branches["probe"].multipliers
    assert_close(found[1], found[[0, 2, 3]].mean())
    assert found.isfinite().all()


def test_the_penalty_wants_a_fit(build, pixels):
    learner = build("clap/vitb16_16shot")
    with pytest.raises(ConfigError, match=r"call learner\.fit\(shots, val\) before"):
        learner(pixels, LABELS, mode="loss")


def test_a_start_at_length_one(build, clip_of, shots):
    options = {"model.branches.probe.normalised": True, TEMPLATES: TWO}
    learner = build("zslp/vitb16_16shot", options)
    learner.fit(*shots)
    both = zip(*(texts(clip_of(learner), t) for t in TWO), strict=True)
    expected = torch.stack([averaged(list(pair)) for pair in both])
    assert_close(learner.state_dict()[WEIGHT], expected)


@pytest.mark.parametrize("method", ["zslp", "lpplus"])
def test_a_prompt_that_learns_is_refused(build, method):
    learned = dict(type="SharedContext", words="a photo of a")
    with pytest.raises(
        ConfigError, match=r"expected a prompt of fixed texts, .* got SharedContext"
    ):
        build(
            f"{method}/vitb16_16shot", {"model.branches.probe.prompt": {"_delete_": True} | learned}
        )


@pytest.mark.parametrize(
    ("method", "keyword", "value"),
    [("zslp", "penalty", -1.0), ("zslp", "penalty", float("nan")), ("lpplus", "steps", 0)],
)
def test_settings_that_cannot_be_are_refused(build, method, keyword, value):
    with pytest.raises(ConfigError, match=f"expected .*{keyword}"):
        build(f"{method}/vitb16_16shot", {f"model.branches.probe.{keyword}": value})


# ------------------------------------------------------------------------------------- new classes


def with_names(build, name, shots, names):
    learner = build(name)
    learner.fit(*shots)
    if name.startswith("zslp"):
        stir(learner)
    learner.set_class_names(names)
    return learner


MIXED = ("red_car", "lighthouse", "cat")


def test_rows_go_with_the_names_of_their_classes(build, clip_of, pixels, shots):
    learner = with_names(build, "zslp/vitb16_16shot", shots, MIXED)
    clip, rows = clip_of(learner), learner.state_dict()[WEIGHT]
    new = clip.sentence("a photo of a lighthouse.").detach()
    images = clip.images(pixels)
    with torch.no_grad():
        assert_close(
            learner(pixels)["logits"], clip.scale * cosines(images, [rows[2], new, rows[0]])
        )
        learner.set_class_names(CLASSES)
        assert_close(learner(pixels)["logits"], clip.scale * cosines(images, list(rows)))


@pytest.mark.parametrize("sign", [1, -1])
def test_new_classes_of_lpplus_have_the_mean_factor(build, clip_of, pixels, shots, sign):
    learner = with_names(build, "lpplus/vitb16_16shot", shots, MIXED)
    clip, probe = clip_of(learner), learner.branches["probe"]
    probe.alpha.copy_(sign * torch.tensor([3.0, 5.0, 7.0, 11.0]))
    names = [name.replace("_", " ") for name in MIXED]
    text = [clip.sentence(f"a photo of a {name}.").detach() for name in names]
    images = clip.images(pixels)
    mean = probe.alpha.mean()
    of_new = mean if mean > 0 else torch.tensor(clip.scale)
    expected = cosines(images, text) * torch.stack([probe.alpha[2], of_new, probe.alpha[0]])
    for column, c in ((0, 2), (2, 0)):
        for row, image in enumerate(images):
            expected[row, column] += probe.weight[c] @ unit(image) + probe.bias[c]
    with torch.no_grad():
        assert_close(learner(pixels)["logits"], expected)


@pytest.mark.parametrize("method", ["zslp", "clap", "lpplus"])
def test_among_new_classes_alone_the_texts_decide(build, pixels, shots, method):
    learner = with_names(build, f"{method}/vitb16_16shot", shots, ("ox", "lighthouse", "sea lion"))
    for row in learner.predict(pixels):
        assert torch.equal(row["logits"].argsort(), row["zero_shot"].argsort())
        if method != "lpplus":
            assert_close(row["logits"], row["zero_shot"])


# -------------------------------------------------------------------------------------------- LP++


def lp_plus_plus(images, labels, text, steps, held=None):
    """LP++ by an optimiser: SGD on rows and biases, alpha every tenth step, its gradient kept."""
    images = torch.stack([unit(image) for image in images])
    rows = torch.stack([sum(x for x, y in zip(images, labels, strict=True) if y == c)
                        for c in range(len(text))]).requires_grad_()  # fmt: skip
    bias = torch.zeros(len(text), requires_grad=True)
    own = []
    for c in range(len(text)):
        mine = [x @ text[c] for x, y in zip(images, labels, strict=True) if y == c]
        own.append(250 * sum(mine) / len(mine))
    alpha = (torch.ones(len(text)) * sum(own) / len(own)).requires_grad_()
    text = torch.stack(text)
    rate = 4 * len(images) / torch.linalg.svdvals(images)[0] ** 2
    alpha_rate = len(images) / (4 * max(((images @ t) ** 2).sum() for t in text))
    optimiser = torch.optim.SGD([rows, bias], lr=float(rate), momentum=0.9)
    best = (-1.0, None)
    for step in range(1, steps + 1):
        logits = images @ rows.T + bias + alpha * (images @ text.T)
        optimiser.zero_grad()  # alpha's is never set to zero
        cross_entropy(logits, labels).backward()
        optimiser.step()
        if step % 10 == 0:
            with torch.no_grad():
                alpha -= alpha_rate * alpha.grad
        now = [value.detach().clone() for value in (rows, bias, alpha)]
        if held is None:
            best = (0.0, (*now, step))
            continue
        hits = 0
        for image, label in zip(held.pooled[0], held.labels.tolist(), strict=True):
            logit = now[0] @ unit(image) + now[1] + now[2] * (text @ unit(image))
            hits += int(logit.argmax()) == label
        if hits >= best[0]:
            best = (hits, (*now, step))
    return best


@pytest.mark.parametrize("with_val", [True, False])
def test_lpplus(build, clip_of, pixels, shots, with_val):
    learner = build("lpplus/vitb16_16shot", {"model.branches.probe.steps": 45})
    train, val = shots
    clip = clip_of(learner)
    text = [unit(t) for t in texts(clip, "a photo of a {}.")]
    hits, (rows, bias, alpha, step) = lp_plus_plus(
        train.pooled.flatten(0, 1), train.labels.repeat(VIEWS), text, 45,
        val if with_val else None,
    )  # fmt: skip
    (told,) = learner.fit(train, val if with_val else None)
    why = f"validation accuracy {100 * hits / 36:.1f} %" if with_val else "no validation images"
    assert told.startswith(f"probe: step {step} of 45 on 14 images ({why}), alpha ")
    if with_val:
        assert step < 45, "another step than the last is the best"
    state = learner.state_dict()
    for name, expected in (("weight", rows), ("bias", bias), ("alpha", alpha)):
        assert_close(state[f"branches.probe.{name}"], expected, rtol=1e-8, atol=1e-8)
    images = torch.stack([unit(image) for image in clip.images(pixels)])
    logits = images @ rows.T + bias + alpha * (images @ torch.stack(text).T)
    with torch.no_grad():
        assert_close(learner(pixels)["logits"], logits, rtol=1e-8, atol=1e-8)
    assert not any(p.requires_grad for p in learner.parameters())


def test_lpplus_before_a_fit_is_the_zero_shot_classifier(build, pixels):
    for row in build("lpplus/vitb16_16shot").predict(pixels):
        assert_close(row["logits"], row["zero_shot"])


def test_templates_are_averaged_at_length_one(build, clip_of, pixels):
    learner = build("lpplus/vitb16_16shot", {TEMPLATES: TWO})
    clip = clip_of(learner)
    both = [averaged(list(pair)) for pair in zip(*(texts(clip, t) for t in TWO), strict=True)]
    with torch.no_grad():
        assert_close(learner(pixels)["logits"], clip.scale * cosines(clip.images(pixels), both))
