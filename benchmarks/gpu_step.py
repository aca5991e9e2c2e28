"""ImageNet's shape on a GPU: step time, share of the measured product rate, memory, projection.

    python benchmarks/gpu_step.py                          # C = 1000, B = 256, bf16
    python benchmarks/gpu_step.py --text-chunk 250 --profile
    python benchmarks/gpu_step.py --device cpu --size tiny --classes 5 --batch 2   # only to try it

SOT-GLP (3 shared and 4 class-specific prompts of 4 tokens) on a ViT-B/16 with seeded random
weights, synthetic images, ImageNet's class names. The product rate is measured in the same run, as
the best of square products in the same precision. Floating-point operations are counted by torch
(products and attention, forward and backward), not estimated; what `text_chunk` computes a second
time counts as work too. The projection is 50 epochs of 16 shots of 1000 classes at this step time,
data loading not included.
"""

import argparse
import statistics
import time
from collections.abc import Callable

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
    sgd,
)
from torch.utils.flop_counter import FlopCounterMode

SHOTS, EPOCHS, CLASSES = 16, 50, 1000
DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


def timed(run: Callable[[], object], device: torch.device, repeats: int) -> float:
    """Return the median of the seconds that a call takes."""
    spent = []
    for _ in range(repeats):
        wait(device)
        begin = time.perf_counter()
        run()
        wait(device)
        spent.append(time.perf_counter() - begin)
    return statistics.median(spent)


def wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def product_rate(device: torch.device, dtype: torch.dtype) -> float:
    """Return the floating-point operations a second of the best square product."""
    best = 0.0
    for side in (1024,) if device.type == "cpu" else (4096, 8192, 16384):
        a, b = (torch.randn(side, side, device=device, dtype=dtype) for _ in range(2))
        torch.mm(a, b)
        best = max(best, 2 * side**3 / timed(lambda a=a, b=b: torch.mm(a, b), device, 10))
    return best


def main(args: argparse.Namespace) -> None:
    device = torch.device(args.device)
    options = {"model.precision": args.precision, "model.text_chunk": args.text_chunk}
    options |= TINY if args.size == "tiny" else {}
    learner = build_learner(args.classes, options).to(device).train()
    images = pixels(args.batch).to(device)
    labels = torch.arange(args.batch, device=device) % args.classes
    optimiser = sgd(learner.parameters())
    stages = {
        "image": lambda: learner.encode_image(images),
        "step": lambda: step(learner, images, labels, optimiser),
    }
    step(learner, images, labels, optimiser)
    with FlopCounterMode(display=False) as counter:
        step(learner, images, labels, optimiser)
    forget_peak(args.device)
    seconds = {name: timed(run, device, args.steps) for name, run in stages.items()}
    memory = peak_mib(args.device)
    rate = product_rate(device, DTYPES[args.precision])
    reached = counter.get_total_flops() / seconds["step"]
    steps = EPOCHS * -(-SHOTS * CLASSES // args.batch)
    print(machine(torch.get_num_threads(), args.device))
    print(
        f"TF32: {torch.backends.cuda.matmul.allow_tf32} (products), "
        f"{torch.backends.cudnn.allow_tf32} (convolutions), median of {args.steps} steps"
    )
    print_header(
        ["C, B, precision, text_chunk", "step s", "image s", "TFLOP a step", "TFLOP/s",
         "product TFLOP/s", "share", "peak MiB", "50 epochs min"]
    )  # fmt: skip
    title = f"{args.classes}, {args.batch}, {args.precision}, {args.text_chunk}"
    numbers = [counter.get_total_flops() / 1e12, reached / 1e12, rate / 1e12]
    tail = [f"{100 * reached / rate:.0f} %", f"{memory:.0f}", steps * seconds["step"] / 60]
    print_row([title, seconds["step"], seconds["image"], *numbers, *tail])
    if args.profile:
        show_profile(stages["step"], device)


def step(
    learner: torch.nn.Module,
    images: torch.Tensor,
    labels: torch.Tensor,
    optimiser: torch.optim.Optimizer,
) -> None:
    sum(learner(images, labels, mode="loss").values()).backward()
    optimiser.step()
    optimiser.zero_grad()


def show_profile(run: Callable[[], object], device: torch.device) -> None:
    """Print where a step's time goes."""
    from torch.profiler import ProfilerActivity, profile

    kinds = [ProfilerActivity.CPU]
    if device.type == "cuda":
        kinds.append(ProfilerActivity.CUDA)
    with profile(activities=kinds) as found:
        run()
        wait(device)
    key = "self_cuda_time_total" if device.type == "cuda" else "self_cpu_time_total"
    print(found.key_averages().table(sort_by=key, row_limit=25))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--classes", type=int, default=CLASSES)
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--precision", choices=DTYPES, default="bf16")
    parser.add_argument("--text-chunk", type=int)
    parser.add_argument("--size", choices=["vit", "tiny"], default="vit")
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--profile", action="store_true")
    main(parser.parse_args())
