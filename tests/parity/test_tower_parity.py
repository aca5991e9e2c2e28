"""The harness of the parity tests notices what is wrong: shown on CoOp, with steps by hand."""

import json

import numpy as np
import pytest
import torch
from methods.tower_parity import Case, assert_near

NAMES = {"context": "branches.global.prompt.context"}
RATE, MOMENTUM, DECAY = 0.05, 0.9, 0.01
META = {"lr": RATE, "weights": "tiny", "weights_seed": 0}
COOP = {
    "model.branches.global.prompt.num_tokens": 2,
    "optim_wrapper.optimizer.lr": RATE,
    "optim_wrapper.optimizer.weight_decay": DECAY,
}


@pytest.fixture
def folder(tmp_path):
    """A fixture of CoOp, its three steps by the formula of SGD."""
    generator = np.random.default_rng(0)
    context = generator.normal(size=(2, 128)).astype(np.float32) * 0.02
    arrays = {
        "images": generator.normal(size=(2, 3, 96, 96)).astype(np.float16),
        "labels": np.array([0, 2]),
        "class_names": np.array(["cat", "old_oak", "car"]),
        "start_context": context,
        "meta": np.array(json.dumps(META)),
    }
    np.savez(tmp_path / "coop_tiny.npz", **arrays)
    case = Case("coop_tiny", "coop/vitb16_16shot", NAMES, COOP, folder=tmp_path)
    with torch.no_grad():
        arrays["logits"] = case.logits()["logits"].numpy()
        arrays["image_features"] = case.learner.encode_image(case.images).pooled.numpy()
        arrays["text_features"] = case.learner.encode_text()["global"][:, 0].numpy()
    arrays["loss"] = case.losses()["loss_global"].detach().numpy()
    arrays["grad_context"] = case.gradients()["context"].numpy()
    (parameter,) = (p for p in case.learner.parameters() if p.requires_grad)
    losses, velocity = [], 0.0
    for _ in range(3):
        losses.append(case.losses()["loss_global"].item())
        gradient = case.gradients()["context"].view_as(parameter)
        with torch.no_grad():
            velocity = MOMENTUM * velocity + gradient + DECAY * parameter
            parameter -= RATE * velocity
    arrays |= {
        "loss_steps": np.array(losses, dtype=np.float32),
        "step3_context": case.values()["context"].numpy(),
        "step3_logits": case.logits()["logits"].numpy(),
    }
    np.savez(tmp_path / "coop_tiny.npz", **arrays)
    return tmp_path


@pytest.fixture
def case(folder):
    def build(**options):
        options = {key.replace("__", "."): value for key, value in options.items()}
        options = COOP | options
        return Case("coop_tiny", "coop/vitb16_16shot", NAMES, options, folder=folder)

    return build


def test_it_holds(case):
    found = case()
    found.assert_features()
    found.assert_losses(loss_global="loss")
    found.assert_gradients()
    found.assert_three_steps()


@pytest.mark.parametrize(
    "wrong",
    [
        dict(optim_wrapper__optimizer__weight_decay=0.0),
        dict(optim_wrapper__optimizer__momentum=0.0),
        dict(optim_wrapper__optimizer__lr=0.04),
    ],
)
def test_a_wrong_optimiser_is_noticed(case, wrong):
    with pytest.raises(AssertionError):
        case(**wrong).assert_three_steps()


def test_a_wrong_start_is_noticed(case):
    found = case()
    with torch.no_grad():
        next(p for p in found.learner.parameters() if p.requires_grad).mul_(1.01)
    for hold in (found.assert_features, found.assert_losses, found.assert_gradients):
        with pytest.raises(AssertionError):
            hold()


def test_a_tensor_that_nobody_names_is_noticed(folder):
    with pytest.raises(AssertionError, match="learned"):
        Case("coop_tiny", "coop/vitb16_16shot", {}, COOP, folder=folder)


def test_near_is_relative():
    assert_near(torch.tensor([1e6 + 1.0]), torch.tensor([1e6]), "x", 1e-5)
    with pytest.raises(AssertionError, match=r"x is off by 0\.5"):
        assert_near(torch.tensor([1.5e-6]), torch.tensor([1e-6]), "x", 1e-5)
