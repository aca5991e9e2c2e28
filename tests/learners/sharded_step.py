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
from small_towers import fitting
from torch.testing import assert_close

from plp.config.load import load_config, merge_options
from plp.engine.build import local_seed
from plp.engine.processes import DataParallelLearner, join, leave
from plp.learners import sharded_texts
from plp.optim import GradientProjection
from plp.registry import BACKBONES, MODELS
from plp.structures import Shots

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
    "cliplora": ("cliplora/vitb16_16shot", {"model.tuners.lora.dropout": 0.0}),
    "twostage": ("twostage/vitb16_16shot", {}),
    "promptsrc": ("promptsrc/vitb16_16shot", {}),
    "maple": ("maple/vitb16_16shot", {}),
    "ivlp": ("ivlp/vitb16_16shot", {}),
    "vpt": ("vpt/vitb16_16shot", {}),
    "mma": ("mma/vitb16_16shot", {}),
    "mmrl": ("mmrl/vitb16_16shot", {}),
    "mmrl in chunks": ("mmrl/vitb16_16shot", {"model.text_chunk": 1}),
    "tcp": ("tcp/vitb16_16shot", {}),
    "plotpp": ("plotpp/vitb16_16shot", {}),
    "zslp": ("zslp/vitb16_16shot", {}),
    "prolip": ("prolip/vitb16_16shot", {}),
    "sotglp with low-rank updates": (
        "sotglp/vitb16_16shot_lora", {"model.tuners.lora.dropout": 0.0},
    ),
}  # fmt: skip
# CoCoOp's two hidden units can both be off; the classifier of 2SFS is learned in its second stage.
NO_GRADIENT = (".meta.", ".classifier")


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
    merge_options(config, fitting(name.split("/")[0], 2) | options)
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


def projected(backbone, pixels, labels, classes, share=None):
    """Return labels whose gradient points against the guide's, and ProGrad's step for them.

    Args:
        backbone: Frozen.
        pixels: Images of the whole batch.
        labels: Theirs; alone, the first shift of them with a conflict is taken.
        classes: How many.
        share: Rank and number of processes; None for one process.
    """
    for shift in range(classes):
        learner = build(backbone, "prograd/vitb16_16shot", {}, NAMES[:classes])
        shifted = labels if share else (labels + shift) % classes
        learned = [p for p in learner.parameters() if p.requires_grad]
        if not share:
            losses = learner(pixels, shifted, mode="loss")
            guide = torch.autograd.grad(losses.pop("loss_teacher"), learned, retain_graph=True)
            own = torch.autograd.grad(sum(losses.values()), learned)
            if sum((g * h).sum() for g, h in zip(own, guide, strict=True)) >= 0:
                continue
        wrapper = GradientProjection("teacher", optimizer=torch.optim.SGD(learned, lr=1.0))
        before = torch.cat([p.detach().flatten() for p in learned])
        rank, processes = share or (0, 1)
        batch = dict(images=pixels[rank::processes], labels=shifted[rank::processes])
        (DataParallelLearner(learner) if share else learner).train_step(batch, wrapper)
        moved = before - torch.cat([p.detach().flatten() for p in learned])
        if not share:  # the projection took something away
            assert (moved - torch.cat([g.flatten() for g in own])).norm() > 1e-3 * moved.norm()
        return shifted, moved
    raise AssertionError("expected labels whose gradient points against the guide")


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
    for learner in learners.values():
        if learner.needs_shots:
            shots = Shots(learner.encode_image(pixels).pooled[None], labels)
            learner.fit(shots, shots)
    conflict, expected_move = projected(backbone, pixels, labels, classes)
    whole = {title: step(one, one, pixels, labels) for title, one in learners.items()}
    encoded, plain = [], backbone.encode_text
    backbone.encode_text = lambda prompts, *points: (
        encoded.append(len(prompts.end)), plain(prompts, *points),
    )[1]  # fmt: skip
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
            assert largest > 0 or any(part in name for part in NO_GRADIENT), name
            assert_close(
                gradient, expected_gradients[name], rtol=0, atol=1e-4 * largest,
                msg=lambda m, t=title, n=name: f"{t}: {n}: {m}",
            )  # fmt: skip
        if "see" not in title:
            once = sum(encoded) / (2 if "chunks" in title else 1)  # a second pass for the gradient
            prompts = {id(branch.prompt.source) for branch in learner.branches.values()}
            # Fixed texts are encoded before, and tuned ones may start behind a kept prefix.
            least = 0 if len(learner.tuners) or learner.needs_shots else 1
            assert least <= once <= len(prompts) * ceil(classes / processes), (title, encoded)
        if rank == 0:
            print("same:", title, flush=True)
    moved = projected(backbone, pixels, conflict, classes, (rank, processes))[1]
    assert_close(moved, expected_move, rtol=0, atol=1e-4 * float(expected_move.abs().max()))
    if rank == 0:
        print("same: projected gradient", flush=True)
    leave()


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
