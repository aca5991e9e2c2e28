"""PLOT++ against outputs of its published code (plotpp_tiny.npz: float32, seeded weights)."""

import pytest
import torch
from methods.tower_parity import Case, assert_near

NAMES = {"context": "branches.passes.prompt.context", "image_context": "tuners.image.context"}
GLOBAL = "model.branches.passes.add_global"


@pytest.fixture(scope="module")
def case(tiny_options):
    found = Case("plotpp_tiny", "plotpp/vitb16_16shot", NAMES, tiny_options)
    settings = found.config.model.branches.passes
    assert list(settings.prompt.words) == found.meta["templates"]
    assert settings.aligner.epsilon == found.meta["epsilon"]
    assert found.config.optim_wrapper.optimizer.lr == found.meta["lr"]
    return found


def test_text_prompts_start_as_the_templates(case):
    learner, ids = case.learner, case.arrays["prompt_tokens"].long()
    made = learner.branches["passes"].prompt(learner.names)
    expected = learner.backbone.model.token_embedding.weight[ids].clone()
    start = case.arrays["start_context"]
    assert_near(expected[:, 0, 1:5], start, "start_context")
    for n in range(len(ids)):
        for c, end in enumerate(made.end[:, n]):
            assert ids[n, c].argmax() == end
            assert torch.equal(made.embeddings[c, n, : end + 1], expected[n, c, : end + 1])


def test_features_plan_and_logits(case):
    learner = case.learner.eval()
    with torch.no_grad():
        features = learner.encode_image(case.images)
        text = learner.encode_text(features)["passes"]
        case.assert_equal(features.passes.transpose(0, 1), "image_features")
        case.assert_equal(text.transpose(0, 1), "text_features")
        plan = learner.branches["passes"].align(features, text).plan
        case.assert_equal(plan, "plan")
        mean = torch.cosine_similarity(features.passes.mean(1)[:, None], text.mean(1)[None], dim=-1)
    case.assert_equal(100 * mean, "logits_global")
    case.assert_equal(case.logits()["logits"], "logits_transport")
    case.assert_equal(case.logits()["logits"], "logits")


def test_loss_and_gradients(case):
    case.assert_equal(sum(case.losses().values()), "loss")
    for name, gradient in case.gradients().items():
        case.assert_equal(gradient, f"grad_{name}")


def test_first_run_adds_the_global_logits_and_leaves_texts_alone(case, tiny_options):
    """Published option TRADE_OFF, on in the first run and its test."""
    first = case.learner.__class__  # the same kind, from the config of the first run
    from methods.tower_parity import ROOT

    from plp.engine.build import build_learner
    from plp.engine.config import load_config, merge_options

    config = load_config(ROOT / "configs/plotpp/vitb16_16shot_stage1.py")
    merge_options(config, tiny_options)
    learner = build_learner(config, case.fixture.class_names)
    assert isinstance(learner, first)
    learned = [name for name, p in learner.named_parameters() if p.requires_grad]
    assert learned == [NAMES["image_context"]]
    with torch.no_grad():
        dict(learner.named_parameters())[NAMES["image_context"]].copy_(
            case.arrays["start_image_context"]
        )
        found = learner(case.images)["logits"]
    case.assert_equal(found - case.arrays["logits_transport"], "logits_global")


def test_three_steps(tiny_options):
    case = Case("plotpp_tiny", "plotpp/vitb16_16shot", NAMES, tiny_options)
    case.assert_equal(case.steps(3), "loss_steps")
    for name, value in case.values().items():
        start = case.arrays[f"start_{name}"]
        moved = case.arrays[f"step3_{name}"] - start
        assert_near(value - start, moved, name, 1e-4)
    case.assert_equal(case.logits()["logits"], "step3_logits", 1e-5)
