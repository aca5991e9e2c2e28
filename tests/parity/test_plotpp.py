"""PLOT++ against outputs of its published code (plotpp_tiny.npz: float32, seeded weights)."""

import pytest
import torch
from methods.tower_parity import ROOT, Case, assert_near, tower_options

from plp.config.load import load_config, merge_options
from plp.engine.build import build_learner

NAMES = {"context": "branches.passes.prompt.context", "image_context": "tuners.image.context"}
GLOBAL = "model.branches.passes.add_global"


@pytest.fixture(scope="module")
def case():
    found = Case("plotpp_tiny", "plotpp/vitb16_16shot", NAMES, options)
    assert found.config.optim_wrapper.optimizer.lr == found.meta["lr"]
    return found


def options(meta):
    """The sizes and settings of the fixture; its second run is the config's own."""
    prompt = "model.branches.passes.prompt"
    return {
        f"{prompt}.words": meta["templates"],
        f"{prompt}.num_prompts": meta["N"],
        f"{prompt}.num_tokens": len(meta["templates"][0].split()),
        "model.branches.passes.aligner.epsilon": float(meta["epsilon"]),
        "model.tuners.image.num_sets": meta["M"],
        "model.tuners.image.num_tokens": meta["T_image"],
        GLOBAL: meta["add_global"],
    }


def test_the_config_is_the_published_one():
    model = load_config(ROOT / "configs/plotpp/vitb16_16shot.py").model
    assert model.branches.passes.aligner.epsilon == 0.1
    assert not model.branches.passes.get("add_global", False)
    assert (model.tuners.image.num_sets, model.tuners.image.num_tokens) == (4, 2)


def test_text_prompts_start_as_the_templates(case):
    """The first tokens of each are learned; all others are those of the tokenised string."""
    learner, ids = case.learner, case.arrays["prompt_tokens"].long()
    start = case.arrays["start_context"]
    assert_near(case.drawn["context"], start, "start_context")
    made = learner.branches["passes"].prompt(learner.names)
    expected = learner.backbone.model.token_embedding.weight[ids].clone()
    expected[:, :, 1 : 1 + start.shape[1]] = start[:, None]
    for n in range(len(ids)):
        for c, end in enumerate(made.end[:, n]):
            assert ids[n, c].argmax() == end
            assert torch.equal(made.embeddings[c, n, : end + 1], expected[n, c, : end + 1])


def test_features_plan_and_logits(case):
    learner = case.learner.eval()
    with torch.no_grad():
        features = learner.encode_image(case.images)
        text = learner.encode_text(features)["passes"]
        passes = features.pooled[:, None] if features.passes is None else features.passes
        case.assert_equal(passes.transpose(0, 1), "image_features")
        case.assert_equal(text.transpose(0, 1), "text_features")
        plan = learner.branches["passes"].align(features, text).plan
        case.assert_equal(plan, "plan")
        mean = torch.cosine_similarity(passes.mean(1)[:, None], text.mean(1)[None], dim=-1)
    case.assert_equal(100 * mean, "logits_global")
    logits = case.logits()["logits"]
    case.assert_equal(
        logits - 100 * mean if case.meta["add_global"] else logits, "logits_transport"
    )
    case.assert_equal(logits, "logits")


def test_loss_and_gradients(case):
    case.assert_equal(sum(case.losses().values()), "loss")
    for name, gradient in case.gradients().items():
        case.assert_equal(gradient, f"grad_{name}")


def test_first_run_adds_the_global_logits_and_leaves_texts_alone(case):
    """Published option TRADE_OFF, on in the first run and its test."""
    config = load_config(ROOT / "configs/plotpp/vitb16_16shot_stage1.py")
    assert config.model.branches.passes.add_global
    chosen = {key: value for key, value in options(case.meta).items() if key != GLOBAL}
    merge_options(config, {**tower_options(case.meta), **chosen})
    learner = build_learner(config, case.fixture.class_names)
    assert isinstance(learner, type(case.learner))
    learned = [name for name, p in learner.named_parameters() if p.requires_grad]
    assert learned == [NAMES["image_context"]]
    with torch.no_grad():
        for x, name in NAMES.items():
            dict(learner.named_parameters())[name].copy_(case.arrays[f"start_{x}"])
        found = learner(case.images)["logits"]
    both = case.arrays["logits_transport"] + case.arrays["logits_global"]
    assert_near(found, both, "logits of the first run")


def test_three_steps():
    case = Case("plotpp_tiny", "plotpp/vitb16_16shot", NAMES, options)
    case.assert_equal(case.steps(3), "loss_steps")
    for name, value in case.values().items():
        start = case.arrays[f"start_{name}"]
        moved = case.arrays[f"step3_{name}"] - start
        assert_near(value - start, moved, name, 1e-4)
    case.assert_equal(case.logits()["logits"], "step3_logits", 1e-5)
