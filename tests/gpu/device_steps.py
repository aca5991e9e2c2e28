"""A training step as the Runner takes it, on any device, and how close two of them are."""

from typing import NamedTuple

import torch
from mmengine.optim import build_optim_wrapper

import plp

CLASSES = ("cat", "old oak tree", "red car", "golden retriever", "dog")
BATCH = 6
SGD = dict(type="SGD", lr=1.0)  # so that what is learned moves by minus its gradient
WRAPPERS = {
    "fp32": dict(optimizer=SGD),
    "bf16": dict(optimizer=SGD),
    "fp16": dict(type="AmpOptimWrapper", dtype="float16", loss_scale="dynamic", optimizer=SGD),
}
# Off float32 on a CPU: of a loss, and of the length of a gradient. Half precision is that of the
# towers, and lets patches change places in the support. On a CPU bf16 is off by up to 1.4e-2 and
# 4.2e-2, fp16 by up to 6e-4 and 3.2e-2, texts by parts in fp32 by up to 2e-7 and 2e-6.
TOLERANCES = {"fp32": (1e-5, 1e-3), "bf16": (4e-2, 0.15), "fp16": (1e-2, 0.1)}


class Stepped(NamedTuple):
    """Losses, and how far each learned tensor has moved."""

    losses: dict[str, float]
    moved: dict[str, torch.Tensor]


def learner_of(root, method, options, device, **model):
    """Build a learner without dropout, which devices draw differently, away from its start."""
    config = root / f"configs/{method}/vitb16_16shot.py"
    changed = {f"model.{key}": value for key, value in model.items()}
    changed |= {"model.branches.global.dropout": 0.0} if method != "coop" else {}
    learner = plp.build_learner(config, CLASSES, options | changed, seed=0).train()
    generator = torch.Generator().manual_seed(0)
    for parameter in learner.parameters():
        if parameter.requires_grad:  # from zeros some gradients vanish
            parameter.data += 0.02 * torch.randn(parameter.shape, generator=generator)
    return learner.to(device)


def batch_for(learner):
    """Return a batch as a loader makes it, on the CPU."""
    generator = torch.Generator().manual_seed(0)
    size = (BATCH, 3, *learner.backbone.image_size)
    images = torch.randint(0, 256, size, dtype=torch.uint8, generator=generator)
    return dict(images=images, labels=torch.arange(BATCH) % len(CLASSES))


def step(learner, model=None):
    """Take a step; in fp16 as many as the scaler needs to find a scale that fits."""
    wrapper = build_optim_wrapper(learner, dict(WRAPPERS[learner.precision]))
    learned = {name: p for name, p in learner.named_parameters() if p.requires_grad}
    before = {name: p.detach().cpu().clone() for name, p in learned.items()}
    for _ in range(16):
        losses = (model or learner).train_step(batch_for(learner), wrapper)
        moved = {name: p.detach().cpu() - before[name] for name, p in learned.items()}
        if any(bool(one.any()) for one in moved.values()):
            break
    return Stepped({name: float(loss.detach()) for name, loss in losses.items()}, moved)


def assert_same_step(found, expected, precision):
    of_loss, of_gradient = TOLERANCES[precision]
    assert found.losses.keys() == expected.losses.keys()
    for name, loss in found.losses.items():
        assert abs(loss - expected.losses[name]) < of_loss * abs(expected.losses[name]), name
    assert found.moved.keys() == expected.moved.keys()
    for name, moved in found.moved.items():
        length = expected.moved[name].norm()
        assert length > 0, name
        off = float((moved - expected.moved[name]).norm() / length)
        assert off < of_gradient, f"{name}: off by {off:.2g} of the gradient's length"
