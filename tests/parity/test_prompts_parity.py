"""Prompts inside the towers, each against its published code: MaPLe, IVLP and VPT-deep."""

import pytest
from methods.tower_parity import Case

CONTEXT = {"text_context": "branches.global.prompt.context"}
DEEP = CONTEXT | {"deep_text_context": "tuners.prompts.deep_text_context"}
IMAGE = {"image_context": "tuners.prompts.image_context"}
COUPLED = {x: f"tuners.prompts.{x}" for x in ("couple_weight", "couple_bias")}
CASES = {  # names of what is learned, and the sizes the fixture was computed with
    "maple": (DEEP | COUPLED, {"depth": 3}),
    "ivlp": (DEEP | IMAGE, {"image_depth": 4, "text_depth": 3}),
    "vpt": (IMAGE, {"image_depth": 4}),
}


@pytest.fixture(params=CASES)
def case(request, tiny_options):
    names, sizes = CASES[request.param]
    sizes = {f"model.tuners.prompts.{key}": value for key, value in sizes.items()}
    method = request.param
    return Case(f"{method}_tiny", f"{method}/vitb16_16shot", names, tiny_options | sizes)


def test_features_and_logits(case):
    case.assert_features()


def test_losses_and_gradients(case):
    case.assert_losses(loss_global="loss")
    case.assert_gradients()


def test_three_steps(case):
    case.assert_three_steps()
