"""Peak memory of a training step against the number of classes.

    python benchmarks/memory.py                               # 100 to 5000 classes, tiny widths
    python benchmarks/memory.py --classes 20 100 --size vit   # ViT-B/16

SOT-GLP (3 shared and 4 class-specific prompts of 4 tokens), seeded random weights, cached views,
float32. Each row is a process of its own. `memory` is the peak of resident memory during the second
step, weights and torch included; `step` what that peak has above the memory before the step. `must
grow` is what belongs to the classes whatever one does: prompts, their gradient and momentum, and
the texts with theirs. `flat` compares `memory` with that of the first number of classes, and
`flat besides` does so without what must grow.
"""

import argparse
import resource
from pathlib import Path
from typing import Any

import torch
from _bench import (
    MIB,
    TINY,
    build_learner,
    forget_peak,
    measure_apart,
    peak_mib,
    pixels,
    print_header,
    print_row,
    run_script,
    sgd,
)

CHUNKS = {"whole": None, "text_chunk=50": 50}


def measure(classes: int, batch: int, size: str, chunk: int | None) -> dict[str, Any]:
    """Measure one number of classes in this process."""
    options = {"model.text_chunk": chunk, **(TINY if size == "tiny" else {})}
    learner = build_learner(classes, options).train()
    optimiser = sgd(learner.parameters())
    features, labels = learner.encode_image(pixels(batch)), torch.arange(batch) % classes

    def step() -> None:
        sum(learner(features, labels, mode="loss").values()).backward()
        optimiser.step()
        optimiser.zero_grad()

    step()
    forget_peak()
    before = resident_mib()
    step()
    learned = [p for p in learner.parameters() if p.requires_grad]
    prompts = sum(p.nbytes for p in learned) * 3
    texts = 2 * classes * 7 * learner.backbone.embed_dim * 4
    return {"memory": peak_mib(), "before": before, "must": (prompts + texts) / MIB}


def resident_mib() -> float:
    """Return the resident memory of this process."""
    place = Path("/proc/self/statm")
    if not place.exists():
        return float("nan")
    return int(place.read_text().split()[1]) * resource.getpagesize() / MIB


def main(args: argparse.Namespace) -> None:
    columns = ["classes", "memory", "step", "must grow", "flat", "flat besides"]
    for name in args.chunks:
        first: dict[str, Any] | None = None
        print(f"\nMiB, {name}, B = {args.batch}, {args.size} widths")
        print_header(columns)
        for classes in args.classes:
            job = dict(classes=classes, batch=args.batch, size=args.size, chunk=CHUNKS[name])
            found = measure_apart(__file__, job | {"threads": args.threads})
            if "error" in found:
                print_row([classes, found["error"]])
                continue
            first = first or found
            besides = [one["memory"] - one["must"] for one in (found, first)]
            print_row(
                [
                    classes,
                    f"{found['memory']:.0f}",
                    f"{found['memory'] - found['before']:.0f}",
                    f"{found['must']:.1f}",
                    f"{found['memory'] / first['memory']:.2f}",
                    f"{besides[0] / besides[1]:.2f}",
                ]
            )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--classes", type=int, nargs="+", default=[100, 500, 1000, 2000, 5000])
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--size", choices=["tiny", "vit"], default="tiny")
    parser.add_argument("--chunks", nargs="+", choices=CHUNKS, default=list(CHUNKS))
    run_script(parser, measure, main)
