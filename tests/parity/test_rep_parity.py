"""MMA, MMRL and TCP against what their published code computes."""

import pytest
import torch
from methods.tower_parity import Case, assert_near
from torch.nn import functional as F

ADAPTERS = [f"{side}_{part}" for side in ("text", "image") for part in (
    "down_weight", "down_bias", "up_weight", "up_bias",
)] + ["shared_weight", "shared_bias"]  # fmt: skip
MAPS = ["tokens", *(f"to_{side}_{part}" for side in ("text", "image") for part in (
    "weight", "bias",
))]  # fmt: skip
META = ["meta_in_weight", "meta_in_bias", "meta_out_weight", "meta_out_bias"]


TEACHER = "model.references.zero_shot.prompt.templates"
PROMPT = "model.branches.global.prompt"


@pytest.fixture
def mma():
    def options(meta):
        tuner = "model.tuners.adapters"
        return {
            f"{tuner}.blocks": list(range(meta["start"] - 1, meta["end"])),
            f"{tuner}.width": meta["dim"],
            f"{tuner}.scale": float(meta["scale"]),
            f"{PROMPT}.templates": [meta["template"]],
        }

    names = {name: f"tuners.adapters.{name}" for name in ADAPTERS}
    return Case("mma_tiny", "mma/vitb16_16shot", names, options)


@pytest.fixture
def mmrl():
    def options(meta):
        tuner = "model.tuners.representation"
        return {
            f"{tuner}.blocks": [layer - 1 for layer in meta["layers"]],
            f"{tuner}.num_tokens": meta["K"],
            f"{tuner}.width": meta["R"],
            f"{PROMPT}.templates": [meta["template"]],
            TEACHER: [meta["template"]],
            "model.losses.image.weight": float(meta["reg"]),
            "model.losses.text.weight": float(meta["reg"]),
            "model.fusion": {"global": meta["alpha"], "tokens": 1 - meta["alpha"]},
        }

    names = {name: f"tuners.representation.{name}" for name in MAPS}
    names["token_projection"] = "branches.tokens.token_projection"
    return Case("mmrl_tiny", "mmrl/vitb16_16shot", names, options)


@pytest.fixture
def tcp():
    def options(meta):
        words, suffix = meta["template"].split("{}")
        learned = words.split()
        placeholders = learned == ["X"] * meta["T"]
        words = None if placeholders else " ".join(learned)
        return {
            "model.tuners.class_aware.block": meta["block"],
            f"{PROMPT}.words": words,
            f"{PROMPT}.num_tokens": meta["T"],
            f"{PROMPT}.suffix": suffix,
            TEACHER: [meta["teacher_template"]],
        }

    names = {name: f"tuners.class_aware.{name}" for name in META}
    names["context"] = "branches.global.prompt.context"
    return Case("tcp_tiny", "tcp/vitb16_16shot", names, options)


def test_mma(mma):
    mma.assert_features()
    mma.assert_losses(loss_global="loss")
    mma.assert_gradients()
    mma.assert_three_steps()


def test_mma_with_true_gradients_is_noticed(mma):
    mma.learner.tuners["adapters"].divide_gradients_by_scale = False
    for x, grad in mma.gradients().items():
        assert_near(grad, mma.arrays[f"grad_{x}"] * mma.meta["scale"], x)


def test_mmrl(mmrl):
    with torch.no_grad():
        features = mmrl.learner.eval().encode_image(mmrl.images, frozen=True)
        text = mmrl.learner.encode_text()["global"]
        frozen = mmrl.learner.encode_text(references=True)["zero_shot"]
    logits = mmrl.logits()
    branch = mmrl.learner.branches["tokens"]
    joint = features.extra["representation.tokens"].mean(1) @ branch.token_projection
    mmrl.assert_equal(features.pooled, "image_features")
    mmrl.assert_equal(joint, "token_features")
    mmrl.assert_equal(text.squeeze(1), "text_features")
    mmrl.assert_equal(
        F.normalize(features.untuned.pooled, dim=-1), "teacher_image_features_normalised"
    )
    mmrl.assert_equal(F.normalize(frozen.squeeze(1), dim=-1), "teacher_text_features_normalised")
    mmrl.assert_equal(logits["global"], "logits")
    mmrl.assert_equal(logits["tokens"], "logits_tokens")
    mmrl.assert_equal(logits["logits"], "logits_fused")


def test_mmrl_losses_gradients_and_steps(mmrl):
    losses, meta = mmrl.losses(), mmrl.meta
    mmrl.assert_equal(losses["loss_global"] / meta["alpha"], "loss_ce")
    mmrl.assert_equal(losses["loss_tokens"] / (1 - meta["alpha"]), "loss_ce_tokens")
    mmrl.assert_equal(losses["loss_image"] / meta["reg"], "loss_image")
    mmrl.assert_equal(losses["loss_text"] / meta["reg"], "loss_text")
    mmrl.assert_losses()
    mmrl.assert_gradients()
    mmrl.arrays["step3_logits_main"] = mmrl.arrays["step3_logits"]
    mmrl.arrays["step3_logits"] = mmrl.arrays["step3_logits_fused"]
    mmrl.assert_three_steps(1e-3)
    logits = mmrl.logits()
    mmrl.assert_equal(logits["global"], "step3_logits_main")
    mmrl.assert_equal(logits["tokens"], "step3_logits_tokens")


def test_tcp(tcp):
    tcp.assert_features()
    frozen = tcp.learner.encode_text(references=True)["zero_shot"]
    tcp.assert_equal(F.normalize(frozen.squeeze(1), dim=-1), "teacher_text_features_normalised")
    tuner = tcp.learner.tuners["class_aware"]
    tcp.assert_equal(tuner.tokens_of(frozen), "class_context")
    losses = tcp.losses()
    tcp.assert_equal(losses["loss_anchor"] / 8, "loss_text")
    tcp.assert_losses(loss_global="loss_ce")
    tcp.assert_gradients()
    tcp.assert_three_steps(1e-3)
