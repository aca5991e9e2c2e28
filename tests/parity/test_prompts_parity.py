"""Prompts inside the towers, each against its published code: MaPLe, IVLP and VPT-deep."""

import pytest
from methods.tower_parity import Case, word_context

CONTEXT = {"text_context": "branches.global.prompt.context"}
DEEP = CONTEXT | {"deep_text_context": "tuners.prompts.deep_text_context"}
IMAGE = {"image_context": "tuners.prompts.image_context"}
COUPLED = {x: f"tuners.prompts.{x}" for x in ("couple_weight", "couple_bias")}
NAMES = {"maple": DEEP | COUPLED, "ivlp": DEEP | IMAGE, "vpt": IMAGE}
SIZES = {  # keyword of the tuner -> its name in a fixture
    "maple": {"depth": "depth"},
    "ivlp": {"image_length": "T_image", "image_depth": "depth_image", "text_depth": "depth_text"},
    "vpt": {"image_length": "T_image", "image_depth": "depth_image"},
}


@pytest.fixture(params=NAMES)
def case(request):
    method = request.param

    def options(meta):
        sizes = SIZES[method].items()
        found = {f"model.tuners.prompts.{key}": meta[name] for key, name in sizes}
        length = meta.get("T", meta.get("T_text"))
        return found if length is None else found | word_context(length)

    return Case(f"{method}_tiny", f"{method}/vitb16_16shot", NAMES[method], options)


def test_features_and_logits(case):
    case.assert_features()


def test_losses_and_gradients(case):
    case.assert_losses(loss_global="loss")
    case.assert_gradients()


def test_three_steps(case):
    case.assert_three_steps()
