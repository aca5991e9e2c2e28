"""Time and peak memory of a training step, by stage, against plain open_clip calls.

    python benchmarks/train_step.py                 # C = 20, B = 8, all but "compiled vision"
    python benchmarks/train_step.py --classes 10 20 100 --variants plain plp "cached views"
    python benchmarks/train_step.py --threads 2 --repeats 5
    python benchmarks/train_step.py --device cuda --classes 100 --batch 32

SOT-GLP (3 shared and 4 class-specific prompts of 4 tokens) on a ViT-B/16 with seeded random
weights, synthetic images, no network. Each variant runs in a process of its own: one step to warm
up, then the median over the repeats. Columns are seconds of processor time (of all threads of the
process; with one thread that is what the step takes on an idle core), `wall` is what the clock on
the wall said, and `memory` the peak of resident memory during the steps, weights and torch
included. On a GPU columns are seconds on the wall, each stage waited for, and `memory` the peak of
its tensors. `loss` is the first step's: equal numbers mean equal mathematics.
`plain` is `benchmarks/plain_clip.py`.
"""

import argparse
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from _bench import (
    Clock,
    build_learner,
    class_names,
    forget_peak,
    measure_apart,
    peak_mib,
    pixels,
    print_header,
    print_row,
    run_script,
    sgd,
)
from _step import STAGES as STEP
from _step import finish, make_step

STAGES = ("data", *STEP)
VARIANTS: dict[str, dict[str, Any]] = {
    "plain": {},
    "plp": {},
    "cached views": {},
    "text_chunk=10": {"model.text_chunk": 10},
    "cached views, text_chunk=10": {"model.text_chunk": 10},
    "no shared prefix": {},
    "bf16": {"model.precision": "bf16"},
    "bf16, cached views": {"model.precision": "bf16"},
    "compiled vision": {"model.backbone.compile_vision": "inductor"},
}
ON_REQUEST = ("compiled vision",)  # minutes of compiling before the first step


def write_images(folder: Path, count: int) -> list[Path]:
    """Write JPEG files of a photograph's size, smooth enough to be compressed like one."""
    from torchvision.io import write_jpeg

    generator = torch.Generator().manual_seed(1)
    paths = [folder / f"{i}.jpg" for i in range(count)]
    for path in paths:
        coarse = torch.rand(1, 3, 24, 32, generator=generator)
        image = torch.nn.functional.interpolate(coarse, (375, 500), mode="bicubic")[0]
        write_jpeg((255 * image.clamp(0, 1)).to(torch.uint8), str(path), quality=90)
    return paths


def data_stage(clock: Clock, batch: int, repeats: int) -> None:
    """Decode and augment a batch as a training run without workers does; alike in all variants."""
    from plp.datasets import ImageDataset, Item
    from plp.transforms import FewShotTrain

    with tempfile.TemporaryDirectory() as name:
        items = [Item(path.name, 0) for path in write_images(Path(name), batch)]
        images = ImageDataset(items, name, FewShotTrain(224))
        for _ in range(repeats):
            with clock("data"):
                torch.stack([images[i]["images"] for i in range(batch)])


def plain_step(clock: Clock, classes: int, images: torch.Tensor, labels: torch.Tensor) -> Any:
    """Return a function that makes a step of the baseline."""
    from plain_clip import PlainSotGlp

    learner = build_learner(classes)
    contexts = (learner.branches[name].prompt.context for name in ("global", "local"))
    model = PlainSotGlp(class_names(classes), *contexts).to(images.device)
    prepared = learner.backbone.to(images.device).normalise(images)
    del learner
    optimiser, unscaled = sgd(model.parameters()), torch.amp.GradScaler(enabled=False)

    def step() -> torch.Tensor:
        with clock("image"):
            pooled, dense = model.encode_pooled(prepared), model.encode_dense(prepared)
        with clock("text"):
            texts = [model.encode_texts(context) for context in model.contexts()]
        with clock("local"):
            loss = model.losses(pooled, dense, labels, texts)
        finish(clock, loss, optimiser, unscaled)
        return loss.detach()

    return step


def plp_step(
    clock: Clock,
    classes: int,
    images: torch.Tensor,
    labels: torch.Tensor,
    options: Mapping[str, Any],
    cached: bool,
    shared: bool,
) -> Any:
    """Return a function that makes a step of plp's learner."""
    learner = build_learner(classes, {"model.branches.global.dropout": 0.0, **options})
    learner = learner.to(images.device).train()
    backbone = learner.backbone
    if not shared:
        whole = backbone.encode_text
        backbone.encode_text = lambda prompts: whole(prompts._replace(shared=0))
    return make_step(learner, learner.encode_image(images) if cached else images, labels, clock)


def measure(
    variant: str, classes: int, batch: int, repeats: int, device: str = "cpu"
) -> dict[str, Any]:
    """Measure a variant in this process."""
    from plp.engine.runner import check_device

    check_device(device, "fp32")
    clock, images = Clock(device), pixels(batch).to(device)
    labels = torch.arange(batch, device=device) % classes
    if variant == "plain":
        step = plain_step(clock, classes, images, labels)
    else:
        step = plp_step(
            clock, classes, images, labels, VARIANTS[variant],
            cached="cached" in variant, shared=variant != "no shared prefix",
        )  # fmt: skip
    loss = float(step())
    clock.stages.clear()
    forget_peak(device)
    for _ in range(repeats):
        step()
    memory = peak_mib(device)
    if "cached" not in variant:
        data_stage(clock, batch, repeats)
    spent = clock.medians()
    return {
        "spent": {s: one.cpu if device == "cpu" else one.wall for s, one in spent.items()},
        "wall": sum(seconds.wall for seconds in spent.values()),
        "memory": memory,
        "loss": loss,
    }


def main(args: argparse.Namespace) -> None:
    time = "processor time" if args.device == "cpu" else "time on the wall"
    print(f"Median of {args.repeats} steps, seconds of {time}, MiB.")
    print_header(["step", *STAGES, "sum", "wall", "memory", "loss", "faster", "memory to plain"])
    for classes in args.classes:
        for batch in args.batch:
            plain: dict[str, Any] | None = None
            for variant in args.variants:
                job = dict(variant=variant, classes=classes, batch=batch, repeats=args.repeats)
                job |= {"threads": args.threads, "device": args.device}
                found = measure_apart(__file__, job)
                title = f"C={classes} B={batch} {variant}"
                if "error" in found:
                    print_row([title, found["error"]])
                    continue
                plain = found if variant == "plain" else plain
                print_row([title, *cells(found, plain)])


def cells(found: dict[str, Any], plain: dict[str, Any] | None) -> list[object]:
    total = sum(found["spent"].values())
    cells = [found["spent"].get(stage, 0.0) for stage in STAGES]
    cells += [total, found["wall"], f"{found['memory']:.0f}", f"{found['loss']:.5f}"]
    if plain is None:
        return [*cells, "–", "–"]
    return [
        *cells,
        f"{sum(plain['spent'].values()) / total:.1f}x",
        f"{found['memory'] / plain['memory']:.2f}",
    ]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--classes", type=int, nargs="+", default=[20])
    parser.add_argument("--batch", type=int, nargs="+", default=[8])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--device", default="cpu")
    default = [variant for variant in VARIANTS if variant not in ON_REQUEST]
    parser.add_argument("--variants", nargs="+", choices=VARIANTS, default=default)
    run_script(parser, measure, main)
