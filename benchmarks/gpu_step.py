"""ImageNet's shape on a GPU: a step by stage, with each switch of its GPU code on and off.

    python benchmarks/gpu_step.py                          # C = 1000, B = 256, bf16, all variants
    python benchmarks/gpu_step.py --variants "cached views" "text_chunk=500" --profile
    python benchmarks/gpu_step.py --device cpu --size tiny --classes 5 --batch 2   # only to try it
    python benchmarks/runner_overhead.py --device cuda --classes 1000 --batch 256 --precision bf16
                                                           # the same step in the whole Runner loop

SOT-GLP (3 shared and 4 class-specific prompts of 4 tokens) on a ViT-B/16 with seeded random
weights, synthetic images, ImageNet's class names. The first row is the baseline, each other row
differs from it by one switch. `step` is the mean over the steps, made one after the other without
waiting; the stages are medians between events on the device (on a CPU all are processor time).
The product rate is measured in the same run, as the best of square products in the same precision.
Floating-point operations are counted by torch (products, and on a GPU attention, forward and
backward), not estimated; what `text_chunk` computes a second time counts as work too. The
projection is 50 epochs of 16 shots of 1000 classes at this step time, data loading not included.
A row that fails says why, and the others go on.
"""

import argparse
import gc
import statistics
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from _bench import (
    TINY,
    build_learner,
    forget_peak,
    machine,
    peak_mib,
    pixels,
    print_header,
    print_row,
)
from _events import EventClock
from _step import STAGES, make_step
from torch.utils.flop_counter import FlopCounterMode

SHOTS, EPOCHS, CLASSES = 16, 50, 1000
DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
LOCAL = "model.branches.local"


class Variant(NamedTuple):
    """What a row differs by: options of the learner, and what it is given for images."""

    options: dict[str, Any]
    images: str = "pixels"  # or "features", "crops"


VARIANTS = {
    "baseline": Variant({}),
    "class_chunk=100": Variant({f"{LOCAL}.class_chunk": 100}),
    "text_chunk=100": Variant({"model.text_chunk": 100}),
    "text_chunk=500": Variant({"model.text_chunk": 500}),
    "cached views": Variant({}, "features"),
    "crops on the device": Variant({}, "crops"),
    "compiled vision": Variant({"model.backbone.compile_vision": "inductor"}),
}
COLUMNS = ("step s", *STAGES, "TFLOP per step", "TFLOP/s", "share", "peak MiB", "50 epochs min")


def product_rate(device: torch.device, dtype: torch.dtype) -> float:
    """Return the floating-point operations a second of the best square product."""
    best = 0.0
    for side in (1024,) if device.type == "cpu" else (4096, 8192, 16384):
        a, b = (torch.randn(side, side, device=device, dtype=dtype) for _ in range(2))
        torch.mm(a, b)
        clock = EventClock(device)
        for _ in range(10):
            with clock("product"):
                torch.mm(a, b)
        best = max(best, 2 * side**3 / statistics.median(clock.seconds()["product"]))
    return best


def images_of(kind: str, batch: int, learner: Any) -> Any:
    """Return what the learner is given: pixels, their features, or crops yet to be resized."""
    from plp.transforms.crops import Crops

    device = learner.backbone.device
    if kind == "crops":
        noise = pixels(batch, 400).to(device)
        sides = torch.randint(150, 400, (batch, 2), generator=torch.Generator().manual_seed(1))
        regions = [image[:, :h, :w] for image, (h, w) in zip(noise, sides.tolist(), strict=True)]
        return Crops.of(regions, torch.arange(batch, device=device) % 2 == 0)
    images = pixels(batch, learner.backbone.image_size[0]).to(device)
    return learner.encode_image(images) if kind == "features" else images


def stepping(args: argparse.Namespace, variant: Variant) -> tuple[EventClock, Callable[[], Any]]:
    """Build a learner, and return its step with the clock of its stages."""
    options = {"model.precision": args.precision, "model.text_chunk": args.text_chunk}
    options |= TINY if args.size == "tiny" else {}
    learner = build_learner(args.classes, options | variant.options).to(args.device).train()
    labels = torch.arange(args.batch, device=args.device) % args.classes
    clock = EventClock(args.device)
    return clock, make_step(learner, images_of(variant.images, args.batch, learner), labels, clock)


def measure(args: argparse.Namespace, variant: Variant, rate: float) -> list[object]:
    """Return a row's numbers."""
    clock, step = stepping(args, variant)
    for _ in range(2):
        step()
    with torch.compiler.set_stance("force_eager"), FlopCounterMode(display=False) as counter:
        step()
    clock.forget()
    forget_peak(args.device)
    begin = clock.mark()
    for _ in range(args.steps):
        step()
    clock.since("all", begin)
    spent = clock.seconds()
    seconds, flops = spent.pop("all")[0] / args.steps, counter.get_total_flops()
    minutes = EPOCHS * -(-SHOTS * CLASSES // args.batch) * seconds / 60
    return [
        seconds, *(statistics.median(spent[stage]) for stage in STAGES), flops / 1e12,
        flops / seconds / 1e12, f"{100 * flops / seconds / rate:.0f} %",
        f"{peak_mib(args.device):.0f}", minutes,
    ]  # fmt: skip


def main(args: argparse.Namespace) -> None:
    from plp.engine.runner import check_device

    check_device(args.device, "fp32")  # fp16 steps on a CPU only try the script
    rate = product_rate(torch.device(args.device), DTYPES[args.precision])
    print(machine(torch.get_num_threads(), args.device))
    print(
        f"C = {args.classes}, B = {args.batch}, {args.precision}, text_chunk={args.text_chunk}, "
        f"{args.steps} steps; products reach {rate / 1e12:.3g} TFLOP/s; "
        f"TF32: {torch.backends.cuda.matmul.allow_tf32} (products), "
        f"{torch.backends.cudnn.allow_tf32} (convolutions)"
    )
    print_header(["variant", *COLUMNS])
    for name in dict.fromkeys(("baseline", *args.variants)):
        try:
            print_row([name, *measure(args, VARIANTS[name], rate)])
        except Exception as error:  # such as too little memory: the time on a GPU is short
            why = (str(error).splitlines() or [type(error).__name__])[0].replace("|", "/")
            print_row([name, why[:60], *["–"] * (len(COLUMNS) - 1)])
        gc.collect()
        if args.device.startswith("cuda"):
            torch.cuda.empty_cache()
    if args.profile:
        show_profile(stepping(args, VARIANTS["baseline"])[1], args.device)


def show_profile(step: Callable[[], object], device: str) -> None:
    """Print where a step's time goes."""
    from torch.profiler import ProfilerActivity, profile

    on_gpu = device.startswith("cuda")
    step()
    kinds = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if on_gpu else [])]
    with profile(activities=kinds) as found:
        step()
        if on_gpu:
            torch.cuda.synchronize()
    key = "self_cuda_time_total" if on_gpu else "self_cpu_time_total"
    print(found.key_averages().table(sort_by=key, row_limit=25))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--classes", type=int, default=CLASSES)
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--precision", choices=DTYPES, default="bf16")
    parser.add_argument("--text-chunk", type=int, help="of every row that does not set it")
    parser.add_argument("--size", choices=["vit", "tiny"], default="vit")
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--variants", nargs="*", choices=VARIANTS, default=list(VARIANTS))
    parser.add_argument("--profile", action="store_true")
    main(parser.parse_args())
