"""A step of several processes against the same step of one; torchrun starts it.

    torchrun --nproc-per-node 2 tests/learners/sharded_step.py CLASSES IMAGES

Every process takes the step on the whole batch by itself first, then on its part with the others,
and compares. `test_sharded_texts.py` reads what the first process prints.
"""

import os
import sys
from math import ceil
from pathlib import Path
from types import SimpleNamespace

import torch
from mmengine.config import ConfigDict
from mmengine.dist import get_dist_info
from torch.testing import assert_close

from plp.engine.build import local_seed
from plp.engine.config import load_config, merge_options
from plp.engine.processes import DataParallelLearner, join, leave
from plp.learners import sharded_texts
from plp.registry import BACKBONES, MODELS

ROOT = Path(__file__).parents[2]
NAMES = ("cat", "old oak tree", "red car", "dog", "golden retriever")
CONFIGS = {
    "sotglp": ("sotglp/vitb16_16shot", {}),
    "sotglp in chunks": ("sotglp/vitb16_16shot", {"model.text_chunk": 1}),
    "gallop": ("gallop/vitb16_16shot", {}),
    "plot": ("plot/vitb16_16shot_global", {}),
    "coop": ("coop/vitb16_16shot", {}),
    "cocoop, whose prompts see images": ("cocoop/vitb16_16shot", {}),
    "kgcoop": ("kgcoop/vitb16_16shot", {}),
    "prograd": ("prograd/vitb16_16shot", {}),
    "locoop": ("locoop/vitb16_16shot", {}),
}


def tiny_backbone():
    tower = dict(width=64, layers=2)
    vision = dict(**tower, head_width=32, image_size=64, patch_size=16)
    config = dict(embed_dim=32, vision_cfg=vision, text_cfg=dict(**tower, heads=2))
    with local_seed(0):
        return BACKBONES.build(
            dict(type="OpenCLIPBackbone", arch="tiny", pretrained=None, model_config=config)
        )


def build(backbone, name, options, class_names):
    config = load_config(ROOT / "configs" / f"{name}.py")
    merge_options(config, options)
    with local_seed(1):
        model = {**config.model.to_dict(), "backbone": backbone}
        learner = MODELS.build(ConfigDict(model), class_names=class_names).train()
        for parameter in learner.parameters():
            if parameter.requires_grad:  # away from zeros, where some gradients vanish
                parameter.data += 0.02 * torch.randn_like(parameter)
        return learner


def step(model, learner, pixels, labels):
    """Losses, and the gradient of each learned tensor."""
    learner.zero_grad()
    torch.manual_seed(0)  # prompt dropout, as `EpochSeedHook` does
    losses = model(pixels, labels, mode="loss")
    sum(losses.values()).backward()
    gradients = {n: p.grad.clone() for n, p in learner.named_parameters() if p.requires_grad}
    return {name: loss.detach() for name, loss in losses.items()}, gradients


def make(mistake):
    """Spoil how gradients of parts are put together, to see that it is noticed."""
    if mistake is None:
        return
    right = torch.distributed.all_reduce

    def wrong(gradient):
        if mistake == "mean":
            right(gradient.div_(torch.distributed.get_world_size()))

    sharded_texts.dist = SimpleNamespace(
        **{name: getattr(torch.distributed, name) for name in ("get_world_size", "get_rank")},
        all_gather=torch.distributed.all_gather, all_reduce=wrong,
    )  # fmt: skip


def main(classes: int, images: int) -> None:
    torch.set_num_threads(1)
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randint(0, 256, (images, 3, 64, 64), dtype=torch.uint8, generator=generator)
    labels = torch.arange(images) * 3 % classes
    backbone = tiny_backbone()
    learners = {
        title: build(backbone, name, options, NAMES[:classes])
        for title, (name, options) in CONFIGS.items()
    }
    whole = {title: step(one, one, pixels, labels) for title, one in learners.items()}
    encoded, plain = [], backbone.encode_text
    backbone.encode_text = lambda prompts: (encoded.append(len(prompts.end)), plain(prompts))[1]
    join("pytorch", "cpu")
    make(os.environ.get("SHARDED_STEP_MISTAKE"))
    rank, processes = get_dist_info()
    for title, learner in learners.items():
        part = pixels[rank::processes], labels[rank::processes]
        model = DataParallelLearner(learner)
        step(
            model, learner, *part
        )  # its weights came anew from the first process: frozen texts too
        encoded.clear()
        losses, gradients = step(model, learner, *part)
        expected_losses, expected_gradients = whole[title]
        for name, loss in losses.items():
            torch.distributed.all_reduce(loss)
            assert_close(loss / processes, expected_losses[name], rtol=1e-5, atol=1e-6)
        assert gradients.keys() == expected_gradients.keys()
        for name, gradient in gradients.items():
            largest = float(expected_gradients[name].abs().max())
            assert largest > 0 or "meta" in name, name  # its two units can both be off
            assert_close(
                gradient, expected_gradients[name], rtol=0, atol=1e-4 * largest,
                msg=lambda m, t=title, n=name: f"{t}: {n}: {m}",
            )  # fmt: skip
        if "see" not in title:
            once = sum(encoded) / (2 if "chunks" in title else 1)  # a second pass for the gradient
            prompts = {id(branch.prompt.source) for branch in learner.branches.values()}
            assert 0 < once <= len(prompts) * ceil(classes / processes), (title, encoded)
        if rank == 0:
            print("same:", title, flush=True)
    leave()


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
