"""A training step on a device in each precision, against float32 on the CPU."""

from functools import partial

import pytest
import torch
from device_steps import assert_same_step, batch_for, learner_of, step
from mmengine.optim.optimizer import amp_optimizer_wrapper
from mmengine.runner import amp
from torch.testing import assert_close

from plp.transforms.crops import Crops

METHODS = ("sotglp", "gallop", "coop")


@pytest.fixture(autouse=True)
def scaler(device, monkeypatch):
    """Let mmengine take the CPU for a device that computes in float16; a GPU gets the real one."""
    if device == "cpu":
        monkeypatch.setattr(amp_optimizer_wrapper, "is_cuda_available", lambda: True)
        on_cpu = partial(torch.amp.GradScaler, "cpu")
        monkeypatch.setattr(amp_optimizer_wrapper, "GradScaler", on_cpu)
        monkeypatch.setattr(amp, "autocast", lambda dtype: torch.autocast("cpu", dtype))


@pytest.fixture(scope="module")
def expected(root, tiny_options):
    """Steps of float32 on the CPU."""
    return {m: step(learner_of(root, m, tiny_options, "cpu")) for m in METHODS}


@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
@pytest.mark.parametrize("method", METHODS)
def test_a_step_is_that_of_float32_on_the_cpu(
    root, tiny_options, expected, device, method, precision
):
    found = step(learner_of(root, method, tiny_options, device, precision=precision))
    assert_same_step(found, expected[method], precision)


@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
def test_a_wrong_gradient_would_be_noticed(expected, precision):
    right = expected["sotglp"]
    for wrong in (
        right._replace(moved={name: 1.3 * moved for name, moved in right.moved.items()}),
        right._replace(moved=right.moved | {"branches.local.projection.weight": torch.zeros(1)}),
        right._replace(losses={name: 1.1 * loss for name, loss in right.losses.items()}),
    ):
        with pytest.raises(AssertionError):
            assert_same_step(wrong, right, precision)


@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
def test_texts_by_parts_change_nothing_on_a_device(root, tiny_options, device, precision):
    """The second pass runs while gradients are taken, outside of any autocast but its own."""
    whole, parts = (
        learner_of(root, "sotglp", tiny_options, device, precision=precision, text_chunk=n)
        for n in (None, 2)
    )
    plain, half = parts.backbone.encode_text, []

    def encode_text(prompts):
        half.append(torch.is_autocast_enabled(device))
        return plain(prompts)

    parts.backbone.encode_text = encode_text
    assert_same_step(step(parts), step(whole), precision)
    assert len(half) % 12 == 0, "three parts of two sets of prompts, each twice a step"
    assert set(half) == {precision != "fp32"}


def test_crops_are_resized_alike(root, tiny_options, device):
    """On a device bit for bit, and features of crops are those of their pixels."""
    generator = torch.Generator().manual_seed(0)
    sides = [(40, 70), (96, 96), (130, 51)]
    make = partial(torch.randint, 0, 256, dtype=torch.uint8, generator=generator)
    regions = tuple(make((3, *side)) for side in sides)
    flips = torch.tensor([True, False, True])
    here = Crops.of(regions, flips)
    there = Crops(here.pixels.to(device), here.sizes, flips.to(device))
    for mode in ("bicubic", "bilinear"):
        assert torch.equal(here.resized(96, mode), there.resized(96, mode).cpu())
    learner = learner_of(root, "sotglp", tiny_options, device)
    crops = learner.encode_image(there)
    assert crops.pooled.device.type == device
    same = there.resized(96, learner.backbone.interpolation)
    assert_close(crops.pooled, learner.encode_image(same).pooled)


def test_a_step_on_crops_is_that_on_their_pixels(root, tiny_options, device):
    """Regions lie on the CPU, as a loader makes them, until the learner's preprocessor moves
    them.
    """
    learner = learner_of(root, "coop", tiny_options, device)
    batch = batch_for(learner)
    crops = Crops.of(tuple(batch["images"]), torch.zeros(len(batch["labels"]), dtype=torch.bool))
    losses = [
        learner(**learner.data_preprocessor(batch | {"images": images}), mode="loss")
        for images in (batch["images"], crops)
    ]
    assert_close(*losses)
