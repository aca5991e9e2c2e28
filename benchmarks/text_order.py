"""Texts of classes sorted by length, against classes as they lie: time and bytes of a step.

    python benchmarks/text_order.py                                        # ViT-B/16, 90 classes
    python benchmarks/text_order.py --size tiny --classes 1000 --text-chunk 50

The prompts of SOT-GLP (3 shared and 4 class-specific ones of 4 tokens), seeded random weights,
float32. Names are spread evenly over ImageNet's, from the shortest to the longest. A step encodes
all texts and goes back; both variants take turns in one process. `cpu s` is the median of the
processor time, `peak` the most bytes of tensors at one time (`PeakTensorBytes`), `places` the
tokens of all calls of the text tower, padding included.
"""

import argparse
from collections.abc import Callable
from typing import Any

import torch
from _bench import (
    MIB,
    ROOT,
    TINY,
    Clock,
    class_names,
    machine,
    print_header,
    print_row,
)

from plp import build_learner
from plp.learners import length_order, texts
from plp.testing.tensor_bytes import PeakTensorBytes


def spread_names(count: int) -> list[str]:
    """Return names of ImageNet's lengths, the longest among them, in no order."""
    names = sorted(class_names(998), key=lambda name: len(name.split()))
    chosen = [names[int(i)] for i in torch.linspace(0, len(names) - 1, min(count, len(names)))]
    shuffled = torch.randperm(len(chosen), generator=torch.Generator().manual_seed(0))
    return [chosen[i] for i in shuffled]


def as_they_lie(lengths: torch.Tensor) -> torch.Tensor:
    """Stand in for `by_length`."""
    return torch.arange(len(lengths))


def switch(on: bool, usual: Callable[..., Any] = texts.by_length, few: int = length_order._FEWEST):
    """Switch the technique on or off."""
    texts.by_length = usual if on else as_they_lie
    length_order._FEWEST = few if on else 10**9


def main(args: argparse.Namespace) -> None:
    torch.set_num_threads(1)
    print(machine(1))
    options = {"model.backbone.pretrained": None, "model.references": {}}
    options |= {"model.text_chunk": args.text_chunk} | (TINY if args.size == "tiny" else {})
    config = ROOT / "configs/sotglp/vitb16_16shot.py"
    learner = build_learner(config, spread_names(args.classes), options, seed=0).train()
    lengths = learner.names.lengths.float()
    print(f"names of {lengths.mean():.2f} tokens in the mean, {lengths.max():.0f} the longest")
    plain, places = learner.backbone.encode_text, [0]

    def counted(tokens: Any) -> torch.Tensor:
        places[0] += tokens.end.numel() * (int(tokens.end.max()) + 1)
        return plain(tokens)

    learner.backbone.encode_text = counted

    def step() -> None:
        learner.zero_grad()
        places[0] = 0
        sum(text.square().sum() for text in learner.encode_text().values()).backward()

    clock, peaks, padded = Clock(), {}, {}
    for variant in ("as they lie", "sorted"):
        switch(variant == "sorted")
        with PeakTensorBytes() as used:
            step()
        peaks[variant], padded[variant] = used.peak / MIB, places[0]
    for _ in range(args.repeats):
        for variant in peaks:
            switch(variant == "sorted")
            with clock(variant):
                step()
    print_header([f"C={args.classes}, {args.size}, chunk={args.text_chunk}", "cpu s", "peak MiB",
                  "places"])  # fmt: skip
    for variant, spent in clock.medians().items():
        print_row([variant, spent.cpu, f"{peaks[variant]:.0f}", padded[variant]])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--classes", type=int, default=90)
    parser.add_argument("--size", choices=["vit", "tiny"], default="vit")
    parser.add_argument("--text-chunk", type=int)
    parser.add_argument("--repeats", type=int, default=3)
    main(parser.parse_args())
