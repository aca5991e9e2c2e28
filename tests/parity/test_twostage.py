"""2SFS against what its published code computes: both stages, and prediction for other classes."""

import pytest
import torch
from methods.tower_parity import Case, assert_near
from mmengine.config import ConfigDict
from mmengine.optim import build_optim_wrapper
from mmengine.registry import DefaultScope
from torch.nn import functional as F

from plp.config.rates import settled_schedulers
from plp.registry import PARAM_SCHEDULERS

NAMES = {
    f"{side}_norm_{kind}": f"tuners.norms.{side}_norm_{kind}"
    for side in ("text", "image")
    for kind in ("weight", "bias")
}
OF_STEPS = 1e-3


def options(meta):
    return {"model.branches.global.prompt.templates": [meta["template"]]}


@pytest.fixture
def case():
    config = "twostage/vitb16_16shot"
    built = Case("twostage_tiny", config, NAMES, options, later=["branches.global.classifier"])
    assert built.learner.begin_stage(0) == []
    return built


def classifier(case):
    return case.learner.branches["global"].classifier


def second_stage(case):
    """Take the three steps of the first stage, and begin the second."""
    case.steps()
    assert case.learner.begin_stage(1) == [
        f"global: {len(case.fixture.class_names)} rows started at the texts"
    ]
    return case


def test_the_norms_start_as_the_towers(case):
    for x, value in case.drawn.items():
        assert torch.equal(value, case.arrays[f"start_{x}"])


def test_first_stage(case):
    case.assert_features()
    case.assert_losses(loss_global="loss")
    case.assert_gradients()
    assert classifier(case).grad is None


def test_three_steps_of_the_first_stage(case):
    case.steps()
    for x, value in case.values().items():
        start = case.arrays[f"start_{x}"]
        moved = case.arrays[f"step3_{x}"] - start
        assert_near(value - start, moved, f"step3_{x} - start", OF_STEPS)


def test_second_stage(case):
    second_stage(case)
    case.assert_equal(classifier(case), "second_start_classifier")
    case.assert_equal(case.logits()["logits"], "second_logits")
    losses = case.losses()
    case.assert_equal(sum(losses.values()), "second_loss")
    case.learner.zero_grad()
    sum(losses.values()).backward()
    case.assert_equal(classifier(case).grad, "second_grad_classifier")
    assert all(p.grad is None for p in case.learner.tuners.parameters())


def test_three_steps_of_the_second_stage_by_the_optimiser_of_both(case):
    """One optimiser for both stages: the second finds no moments of the first."""
    with DefaultScope.overwrite_default_scope("plp"):
        wrapper = build_optim_wrapper(case.learner, dict(case.config.optim_wrapper))
    batch = dict(images=case.images, labels=case.arrays["labels"])
    for _ in range(3):
        case.learner.train().train_step(batch, wrapper)
    case.learner.begin_stage(1)
    norms = case.values()
    for _ in range(3):
        case.learner.train().train_step(batch, wrapper)
    assert all(torch.equal(value, norms[x]) for x, value in case.values().items())
    start = case.arrays["second_start_classifier"]
    moved = case.arrays["second_step3_classifier"] - start
    assert_near(classifier(case) - start, moved, "second_step3_classifier - start", OF_STEPS)


def test_trained_classes_have_rows_and_others_their_texts(case):
    second_stage(case)
    with torch.no_grad():
        classifier(case).copy_(case.arrays["second_step3_classifier"])
    names = case.fixture.strings["infer_class_names"]
    case.learner.set_class_names(names)
    found = case.logits()["logits"]
    case.assert_equal(found, "infer_logits")
    trained = case.fixture.class_names
    others = [n for n, name in enumerate(names) if name not in trained]
    with torch.no_grad():
        images = F.normalize(case.learner.encode_image(case.images).pooled, dim=-1)
        texts = F.normalize(case.learner.encode_text()["global"][:, 0], dim=-1)
    assert 0 < len(others) < len(names)
    assert_near(found[:, others], 100 * images @ texts[others].T, "other classes")
    case.learner.set_class_names(trained)
    again = case.logits()["logits"]
    for n, name in enumerate(names):
        if name in trained:
            assert_near(again[:, trained.index(name)], found[:, n], "a trained class")


def test_each_stage_has_its_own_cosine(case):
    section = dict(max_epochs=4, max_steps=10, stages=[6, 4])
    (settled,) = settled_schedulers(case.config, section, steps=3)
    optimizer = torch.optim.AdamW([torch.nn.Parameter(torch.zeros(1))], lr=case.meta["lr"])
    scheduler = PARAM_SCHEDULERS.build(ConfigDict(settled), optimizer=optimizer)
    rates = []
    for _ in range(10):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    least, most = 1e-6, case.meta["lr"]
    expected = [
        least + (most - least) * (1 + torch.cos(torch.tensor(torch.pi * n / of))) / 2
        for of in (6, 4)
        for n in range(of)
    ]
    torch.testing.assert_close(torch.tensor(rates), torch.stack(expected))
