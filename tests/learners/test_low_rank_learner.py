"""A learner with low-rank updates or learned norms: its checkpoint, its exported program."""

import pytest
import torch
from mmengine.config import ConfigDict
from torch.testing import assert_close

from plp.checkpoints.checkpoint import load_checkpoint, restore, save_checkpoint
from plp.engine.build import local_seed
from plp.errors import CheckpointError
from plp.export.program import ClassifierProgram
from plp.registry import MODELS, SCORES

CLASSES = ("cat", "old oak tree", "red car")
LORA = dict(type="LowRank", r=2)
NORMS = dict(type="TrainableNorms")


@pytest.fixture
def build(backbone):
    def builder(**tuners):
        prompt = dict(type="TemplatePrompt", templates="one")
        branches = {"global": dict(type="GlobalBranch", prompt=prompt)}
        model = dict(type="PromptLearner", backbone=backbone, branches=branches, tuners=tuners)
        with local_seed(1):
            learner = MODELS.build(ConfigDict(model), class_names=CLASSES).eval()
        generator = torch.Generator().manual_seed(0)
        with torch.no_grad():
            for parameter in learner.tuners.parameters():
                parameter.add_(0.2 * torch.randn(parameter.shape, generator=generator))
        return learner

    return builder


@pytest.fixture
def saved(build, tmp_path):
    """Save a learner with tuners; return what is read back."""

    def save(**tuners):
        info = dict(config=dict(model=dict(tuners=tuners)))
        return load_checkpoint(save_checkpoint(tmp_path / "a.safetensors", build(**tuners), info))

    return save


@pytest.fixture(scope="module")
def pixels():
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (2, 3, 64, 64), dtype=torch.uint8, generator=generator)


def test_a_checkpoint_holds_what_is_learned_alone(saved, build, pixels):
    checkpoint = saved(lora=LORA)
    assert set(checkpoint.state) == {
        f"tuners.lora.{side}_{letter}" for side in ("text", "image") for letter in "AB"
    }
    assert checkpoint.info["tuners"]["lora"]["text"][:2] == ["blocks.0.q", "blocks.0.k"]
    fresh = build(lora=LORA)
    with torch.no_grad():
        for parameter in fresh.tuners.parameters():
            parameter.zero_()
        restore(fresh, checkpoint)
        assert torch.equal(fresh(pixels)["logits"], build(lora=LORA)(pixels)["logits"])


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (
            dict(lora=LORA | dict(r=4)),
            r"text_A has shape \[2, 3, 2, 64\], expected \[2, 3, 4, 64\]",
        ),
        (
            dict(lora=LORA | dict(matrices=("q", "k", "o"))),
            r"lora acted on blocks.\{0-1\}.k, .*of the text tower, here on .*blocks.\{0-1\}.o",
        ),
        (dict(lora=LORA | dict(matrices=("k", "q", "v"))), "tuners.lora acted on"),
        (dict(lora=LORA | dict(towers="text")), r"image_A is not part of this model"),
        (dict(lora=LORA | dict(blocks=(1,))), r"expected \[1, 3, 2, 64\]"),
        (dict(norms=NORMS), r"norms.text_norm_weight is missing"),
        ({}, r"Tuners of the checkpoint: lora: .*LowRank.* Here: none"),
    ],
)
def test_a_checkpoint_of_other_tuners_is_refused_by_name(saved, build, other, message):
    checkpoint = saved(lora=LORA)
    with pytest.raises(CheckpointError, match=message) as error:
        restore(build(**other), checkpoint)
    assert "Tuners of the checkpoint: lora: " in str(error.value)
    for name, tuner in other.items():
        assert f"Here: {name}: {tuner['type']}" in str(error.value)


@pytest.mark.parametrize("tuners", [dict(lora=LORA), dict(norms=NORMS), dict(a=LORA, b=NORMS)])
def test_a_program_has_updates_and_norms_in_its_weights(build, pixels, tuners):
    learner = build(**tuners)
    program = ClassifierProgram(learner, SCORES.build(dict(type="MSP", logit_scale=1.0)))
    assert program.merged == tuple(tuners)
    assert not list(program.tuners.parameters())
    with torch.no_grad():
        for _, tuner in learner.tuners.named():
            tuner.merge = False
        expected = learner(pixels)["logits"].softmax(-1)
        frozen = build()(pixels)["logits"].softmax(-1)
    assert_close(program(pixels)["probabilities"], expected, atol=1e-6, rtol=1e-5)
    assert not torch.allclose(frozen, expected, atol=1e-3)


def test_texts_and_images_are_merged_in_evaluation_and_as_in_training(build, pixels):
    learner = build(lora=LORA)
    with torch.no_grad():
        merged = learner(pixels)["logits"]
        learner.tuners["lora"].merge = False
        learner.train().eval()
        assert_close(learner(pixels)["logits"], merged, atol=1e-5, rtol=1e-5)
    learner.train()
    assert_close(learner(pixels)["logits"].detach(), merged, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_half_precision_follows_the_merged_weights(build, pixels, precision):
    learner = build(lora=LORA)
    learner.precision = precision
    with torch.no_grad():
        before = learner(pixels)["logits"]
        learner.tuners["lora"].image_B.mul_(2.0)
        after = learner(pixels)["logits"]
        learner.tuners["lora"].merge = False
        beside = learner(pixels)["logits"]
    assert not torch.allclose(after, before, atol=1e-2)
    assert_close(after, beside, atol=0.5 if precision == "bf16" else 1e-4, rtol=1e-4)
