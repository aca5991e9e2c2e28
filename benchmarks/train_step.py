"""Time and peak memory of a training step, by stage, against plain open_clip calls.

    python benchmarks/train_step.py                 # C = 20, B = 8, all but "compiled vision"
    python benchmarks/train_step.py --classes 10 20 100 --variants plain plp "cached views"
    python benchmarks/train_step.py --threads 2 --repeats 5
    python benchmarks/train_step.py --device cuda --classes 100 --batch 32
    python benchmarks/train_step.py --tower PE-Core-B-16 --variants plain plp text_chunk=10
    python benchmarks/train_step.py --variants plp --against 0dbca55 --repeats 9

SOT-GLP (3 shared and 4 class-specific prompts of 4 tokens) on a ViT-B/16, Perception Encoder or
SigLIP with seeded random weights, synthetic images, no network. Each variant runs in a process of
its own: one step to warm up, then the median over the repeats. `--against` measures the `plp` and
`configs` of another commit, too, by this script: a step of it, a step of what lies here, in turns.

Columns are seconds of processor time (of all threads of the process; with one thread that is what
the step takes on an idle core), and `wall` is what the clock on the wall said. `memory` is the peak
of resident memory during the steps, weights and torch included, `above` that without what the
process held once the model was built. `tensors` (most bytes of tensors made in the step that live
at one time) and `TFLOP` are counted in the first step, and the same in every run. On a GPU columns
are seconds on the wall, each stage waited for, and `memory` the peak of its tensors. `loss` is the
first step's, `last loss` the last one's, which the gradients have moved: equal numbers mean equal
mathematics. The last columns compare with the first row.
`plain` is `benchmarks/plain_clip.py`, for the other towers `benchmarks/plain_timm.py`.
"""

import argparse
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

import torch
from _bench import (
    MIB,
    ROOT,
    Clock,
    build_learner,
    forget_peak,
    held_mib,
    measure_apart,
    peak_mib,
    pixels,
    print_header,
    print_row,
    run_script,
    sgd,
)
from _photos import data_stage
from _step import STAGES as STEP
from _step import finish, make_step
from _towers import TOWERS, Tower
from _turns import measure_in_turns, my_turn, tree_of
from torch.utils.flop_counter import FlopCounterMode

STAGES = ("data", *STEP)
COLUMNS = (*STAGES, "sum", "wall", "memory", "above", "tensors", "TFLOP", "loss", "last loss")
Step = Callable[[], torch.Tensor]
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


class Job(NamedTuple):
    """What a process measures."""

    variant: str
    tower: str
    size: str
    classes: int
    batch: int
    repeats: int
    device: str
    turns: bool = False  # each step waits for its turn

    @property
    def cached(self) -> bool:
        """Whether the step starts from features."""
        return "cached" in self.variant

    def labels(self) -> torch.Tensor:
        """Return a class for each image."""
        return torch.arange(self.batch, device=self.device) % self.classes


def plain_step(clock: Clock, job: Job, tower: Tower, images: torch.Tensor) -> Step:
    """Return a function that makes a step of the baseline."""
    learner = build_learner(job.classes, tower.options)
    model = tower.plain(learner, job.classes).to(images.device)
    prepared, labels = learner.backbone.to(images.device).normalise(images), job.labels()
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


def plp_step(clock: Clock, job: Job, tower: Tower, images: torch.Tensor) -> Step:
    """Return a function that makes a step of plp's learner."""
    options = {"model.branches.global.dropout": 0.0, **tower.options, **VARIANTS[job.variant]}
    learner = build_learner(job.classes, options).to(images.device).train()
    backbone = learner.backbone
    if job.variant == "no shared prefix":
        whole = backbone.encode_text
        backbone.encode_text = lambda prompts: whole(prompts._replace(shared=0))
    given = learner.encode_image(images) if job.cached else images
    return make_step(learner, given, job.labels(), clock)


def measure(**given: Any) -> dict[str, Any]:
    """Measure a variant in this process."""
    from plp.engine.runner import check_device

    job = Job(**given)
    check_device(job.device, "fp32")
    clock = Clock(job.device)
    with tempfile.TemporaryDirectory() as folder:
        tower = TOWERS[job.tower](Path(folder), job.size)
        images = pixels(job.batch, tower.image_size).to(job.device)
        make = plain_step if job.variant == "plain" else plp_step
        step = make(clock, job, tower, images)
        loaded = held_mib(job.device)
        loss, counted = count(step)
        clock.stages.clear()
        forget_peak(job.device)
        for _ in range(job.repeats):
            if job.turns:
                my_turn()
            last = float(step())
    memory = peak_mib(job.device)
    if not job.cached:
        data_stage(clock, job.batch, job.repeats)
    spent = clock.medians()
    cpu = job.device == "cpu"
    return {
        **{stage: seconds.cpu if cpu else seconds.wall for stage, seconds in spent.items()},
        "wall": sum(seconds.wall for seconds in spent.values()),
        "memory": memory,
        "above": memory - loaded,
        "loss": loss,
        "last loss": last,
        **counted,
    }


def count(step: Step) -> tuple[float, dict[str, float]]:
    """Make a step that warms up; return its loss, and what of it can be counted."""
    from plp.testing.tensor_bytes import PeakTensorBytes

    with PeakTensorBytes() as used, FlopCounterMode(display=False) as operations:
        loss = float(step())
    return loss, {"tensors": used.peak / MIB, "TFLOP": operations.get_total_flops() / 1e12}


def main(args: argparse.Namespace) -> None:
    time = "processor time" if args.device == "cpu" else "time on the wall"
    print(
        f"{args.tower}, {args.size}. Medians of {args.repeats} steps: "
        f"seconds of {time}, MiB, TFLOP."
    )
    print_header(["step", *COLUMNS, "faster", "above to first", "tensors to first"])
    with ExitStack() as stack:
        other = stack.enter_context(tree_of(args.against)) if args.against else None
        for classes in args.classes:
            for batch in args.batch:
                size = dict(classes=classes, batch=batch, tower=args.tower, size=args.size)
                size |= dict(repeats=args.repeats, device=args.device, threads=args.threads)
                jobs = [size | {"variant": variant} for variant in args.variants]
                print_rows(f"C={classes} B={batch}", rows_of(jobs, other, args.against))


def rows_of(
    jobs: Iterable[dict[str, Any]], other: Path | None, commit: str | None
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Measure each variant, beside that of another commit if there is one."""
    for job in jobs:
        if other is None:
            yield job["variant"], measure_apart(__file__, job)
            continue
        old, new = measure_in_turns(__file__, job, [other, ROOT])
        yield f"{job['variant']} @{commit}", old
        yield job["variant"], new


def print_rows(size: str, rows: Iterable[tuple[str, dict[str, Any]]]) -> None:
    first: dict[str, Any] | None = None
    for title, found in rows:
        if "error" in found:
            print_row([f"{size} {title}", found["error"]])
            continue
        first = first or found
        print_row([f"{size} {title}", *cells(found, first)])


def cells(found: dict[str, Any], first: dict[str, Any]) -> list[object]:
    total, before = (sum(one.get(stage, 0.0) for stage in STAGES) for one in (found, first))
    return [
        *[found.get(stage, 0.0) for stage in STAGES],
        total,
        found["wall"],
        *[f"{found[key]:.0f}" for key in ("memory", "above")],
        f"{found['tensors']:.1f}",
        f"{found['TFLOP']:.4g}",
        *[f"{found[key]:.5f}" for key in ("loss", "last loss")],
        f"{before / total:.2f}x",
        *[f"{found[key] / first[key]:.2f}" for key in ("above", "tensors")],
    ]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tower", choices=TOWERS, default="ViT-B-16")
    parser.add_argument("--size", choices=["full", "tiny"], default="full")
    parser.add_argument("--classes", type=int, nargs="+", default=[20])
    parser.add_argument("--batch", type=int, nargs="+", default=[8])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--against", metavar="COMMIT", help="its plp too, a step of each in turn")
    parser.add_argument("--device", default="cpu")
    default = [variant for variant in VARIANTS if variant not in ON_REQUEST]
    parser.add_argument("--variants", nargs="+", choices=VARIANTS, default=default)
    run_script(parser, measure, main)
