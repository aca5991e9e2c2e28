"""Peak memory of a training step against the number of classes.

    python benchmarks/memory.py                               # 100 to 5000 classes, tiny widths
    python benchmarks/memory.py --classes 100 21000 --chunks text_chunk=50
    python benchmarks/memory.py --classes 20 100 --size vit   # ViT-B/16

SOT-GLP (3 shared and 4 class-specific prompts of 4 tokens), seeded random weights, cached views,
float32. Each row is a process of its own. `step` is what the second step needs beside what lay
there before (weights, features, prompts, momentum): the most bytes of tensors that it makes and
that live at one time, counted (`plp.testing.tensor_bytes`), so that it is the same in every run and
on every machine. `must` is the part of it that belongs to the classes whatever one does: the
prompts' gradient, and the texts with theirs. `flat` is `step` to that of the first number of
classes, `flat besides` is so without what must grow, and `kB a class` what a class has added since
the first. `kept` are the prompts and their momentum, and `resident` is the peak of the process's
resident memory in the same step, weights and torch included: what a machine must have, rounded by
its allocator and lowered by its swapping.
"""

import argparse

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


def measure(classes: int, batch: int, size: str, chunk: int | None) -> dict[str, float]:
    """Measure one number of classes in this process."""
    from plp.testing.tensor_bytes import PeakTensorBytes

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
    with PeakTensorBytes() as used:
        step()
    prompts = sum(p.nbytes for p in learner.parameters() if p.requires_grad)
    texts = 2 * classes * 7 * learner.backbone.embed_dim * 4
    return {
        "step": used.peak / MIB,
        "must": (prompts + texts) / MIB,
        "kept": 2 * prompts / MIB,
        "resident": peak_mib(),
    }


def main(args: argparse.Namespace) -> None:
    print(f"MiB, B = {args.batch}, {args.size} widths")
    print_header(
        ["", "step", "must", "flat", "flat besides", "kB a class", "kept", "resident"]
    )  # fmt: skip
    for name in args.chunks:
        first: dict[str, float] | None = None
        for classes in args.classes:
            job = dict(classes=classes, batch=args.batch, size=args.size, chunk=CHUNKS[name])
            found = measure_apart(__file__, job | {"threads": args.threads})
            title = f"C={classes} {name}"
            if "error" in found:
                print_row([title, found["error"]])
                continue
            found["classes"] = classes
            first = first or found
            print_row([title, *cells(found, first)])


def cells(found: dict[str, float], first: dict[str, float]) -> list[str]:
    besides = [one["step"] - one["must"] for one in (found, first)]
    more = found["classes"] - first["classes"]
    slope = f"{(found['step'] - first['step']) * MIB / 1000 / more:.1f}" if more else "–"
    return [
        f"{found['step']:.1f}",
        f"{found['must']:.1f}",
        f"{found['step'] / first['step']:.2f}",
        f"{besides[0] / besides[1]:.2f}",
        slope,
        f"{found['kept']:.1f}",
        f"{found['resident']:.0f}",
    ]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--classes", type=int, nargs="+", default=[100, 500, 1000, 2000, 5000])
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--size", choices=["tiny", "vit"], default="tiny")
    parser.add_argument("--chunks", nargs="+", choices=CHUNKS, default=list(CHUNKS))
    run_script(parser, measure, main)
