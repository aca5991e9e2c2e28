"""Learners on a shared backbone, and one training step of them."""

import torch
from mmengine.config import ConfigDict

from plp.config.load import load_config, merge_options
from plp.engine.build import local_seed
from plp.registry import MODELS

CLASSES = ("cat", "old oak tree", "red car", "dog", "golden retriever")
LABELS = torch.tensor([0, 2])


def built(root, backbone, name, options=None, class_names=CLASSES, **model):
    """Build a learner of `configs/<name>.py`; `model` are entries of the section `model`."""
    config = load_config(root / "configs" / f"{name}.py")
    merge_options(config, options or {})
    section = {**config.model.to_dict(), "backbone": backbone, **model}
    with local_seed(1):
        return MODELS.build(ConfigDict(section), class_names=class_names)


def step(learner, images):
    """Losses, and the gradient of each learned tensor."""
    learner.train()
    learner.zero_grad()
    torch.manual_seed(0)  # prompt dropout
    losses = learner(images, LABELS, mode="loss")
    sum(losses.values()).backward()
    grads = {n: p.grad.clone() for n, p in learner.named_parameters() if p.requires_grad}
    return {name: loss.detach() for name, loss in losses.items()}, grads
