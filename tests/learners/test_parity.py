"""The learner against outputs of the published code (tests/parity: float32, seeded weights)."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional as F
from torch.testing import assert_close

import plp
from plp.registry import SCORES

FOLDER = Path(__file__).parents[1] / "parity"
TOLERANCE = dict(atol=1e-5, rtol=0)
CASES = {  # config, and what the fixture was computed with
    "sotglp_tiny": ("sotglp", {"model.branches.local.prompt.num_prompts": 4}),
    "sotglp_tiny_noproj": (
        "sotglp",
        {"model.branches.local.projection": dict(type="IdentityProjection")},
    ),
    "gallop_tiny": ("gallop", {}),
}


@pytest.fixture(params=CASES)
def case(request, root, tiny_options):
    """A learner from the method's own config with the fixture's prompts, and the fixture."""
    arrays = dict(np.load(FOLDER / f"{request.param}.npz"))
    fixture = {
        name: torch.from_numpy(value) for name, value in arrays.items() if name != "class_names"
    }
    method, options = CASES[request.param]
    learner = plp.build_learner(
        root / "configs" / method / "vitb16_16shot.py",
        class_names=arrays["class_names"].tolist(),
        cfg_options=tiny_options | {"model.branches.global.dropout": 0.0} | options,
    )
    learned = dict(learner.named_parameters())
    values = {
        "branches.global.prompt.context": fixture["global_context"],
        "branches.local.prompt.context": fixture["local_context"],
        "branches.local.projection.weight": fixture["local_projection"],
    }
    with torch.no_grad():
        for name, value in values.items():
            if name in learned:
                learned[name].copy_(value)
    return learner, fixture


def test_state_dict_names(case):
    learner, fixture = case
    shapes = {name: tuple(value.shape) for name, value in learner.state_dict().items()}
    assert shapes["branches.global.prompt.context"] == tuple(fixture["global_context"].shape)
    assert shapes["branches.local.prompt.context"] == tuple(fixture["local_context"].shape)
    assert all(name.startswith("branches.") for name in shapes)


def test_text_and_cosines(case):
    learner, fixture = case
    text = learner.encode_text()
    for name in ("global", "local"):
        found, expected = (F.normalize(t, dim=-1) for t in (text[name], fixture[f"text_{name}"]))
        assert_close(found, expected, **TOLERANCE)
    evidence = learner.evidence(fixture["images"], patch_scores=True)
    assert_close(evidence["global"].similarity, fixture["global_cos"], **TOLERANCE)
    assert_close(evidence["local"].patch_scores, fixture["local_cos"].mean(-1), **TOLERANCE)


def test_predictions(case):
    learner, fixture = case
    with torch.no_grad():
        logits = learner(fixture["images"], mode="tensor")
    assert set(logits) == {"logits", "global", "local"}
    assert_close(logits["logits"].softmax(-1), fixture["prob"], **TOLERANCE)
    assert_close(logits["global"].softmax(-1), fixture["prob_global"], **TOLERANCE)
    assert_close(logits["local"].softmax(-1), fixture["prob_local"], **TOLERANCE)


def test_losses_and_gradients(case):
    learner, fixture = case
    learner.train()
    losses = learner(fixture["images"], fixture["labels"], mode="loss")
    assert set(losses) == {"loss_global", "loss_local"}
    for name, loss in losses.items():
        assert_close(loss, fixture[name], **TOLERANCE)
    sum(losses.values()).backward()
    expected = {
        "branches.global.prompt.context": fixture["grad_global_context"],
        "branches.local.prompt.context": fixture["grad_local_context"],
        "branches.local.projection.weight": fixture["grad_local_projection"],
    }
    for name, parameter in learner.named_parameters():
        if not parameter.requires_grad:
            assert parameter.grad is None, name
            continue
        scale = expected[name].abs().max()
        assert_close(parameter.grad / scale, expected[name] / scale, atol=1e-4, rtol=0)


@pytest.mark.parametrize(
    ("score", "array"),
    [("MCM", "ood_mcm"), ("LocalMCM", "ood_l_mcm"), ("GlobalLocalMCM", "ood_gl_mcm")],
)
def test_out_of_distribution_scores(case, score, array):
    learner, fixture = case
    with torch.no_grad():
        evidence = learner.evidence(fixture["images"], patch_scores=True)
        found = SCORES.build(dict(type=score))(evidence)
    assert_close(found, fixture[array], **TOLERANCE)
