"""Time and peak memory of a step of methods that act inside the towers, against plain calls.

    python benchmarks/tuned_step.py                          # all rows of docs/performance.md
    python benchmarks/tuned_step.py --methods maple mma --variants plain plp
    python benchmarks/tuned_step.py --size tiny --methods mmrl --repeats 1

ViT-B/16, seeded random weights, synthetic images, 100 classes; a row is a method with its batch.
Each variant runs in a process of its own: a step to warm up, then the median over the repeats.

- `plain`: `benchmarks/plain_tuned.py`, the same mathematics from plain open_clip calls: texts of 77
  tokens, nothing kept, autograd through all of it.
- `plp`: the learner of the method's config.
- `kept`: the same from images in front of the first tuned block, which is what
  `data.feature_cache` and `data.cache_features` keep of views that come back.
- `checkpointed`: with `model.checkpoint_blocks=True`.

`cpu` is seconds of processor time a step, `wall` those of the clock on the wall; `above` the peak
of resident memory during the steps without what the process held once the model was built, MiB;
`tensors` (most bytes of tensors made in the step that live at one time) and `TFLOP` are counted.
`loss` is the first step's, `later loss` that after `--repeats` updates. The last
columns compare with the first variant. CLIP-LoRA runs without dropout, which is drawn, and
PromptSRC with one template for its teacher's texts, which both encode once, not in a step.
"""

import argparse
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any, NamedTuple

import open_clip
import torch
from _bench import (
    MIB,
    ROOT,
    TINY,
    Clock,
    class_names,
    forget_peak,
    held_mib,
    measure_apart,
    peak_mib,
    pixels,
    print_header,
    print_row,
    run_script,
)
from plain_towers import PlainTowers
from torch.utils.flop_counter import FlopCounterMode
from train_step import count

CLASSES = 100
COLUMNS = ("cpu", "wall", "above", "tensors", "TFLOP", "loss", "later loss")
RATIOS = ("faster", "memory", "tensors to first", "fewer TFLOP")
VARIANTS: dict[str, dict[str, Any]] = {
    "plain": {},
    "plp": {},
    "kept": {},
    "checkpointed": {"model.checkpoint_blocks": True},
}
Step = Callable[[], torch.Tensor]
_ONE = {"model.references.teacher.prompt.templates": "one"}
_SGD = partial(torch.optim.SGD, lr=0.002, momentum=0.9, weight_decay=5e-4)
_ADAMW = partial(torch.optim.AdamW, lr=2e-4, weight_decay=1e-2)


class Method(NamedTuple):
    """A method to measure.

    Attributes:
        plain: Name of its baseline in `plain_tuned`.
        batches: Images a step, one row each.
        optimiser: Its kind, at a constant rate.
        options: Dotted config keys.
        first: The first tuned block, where the baseline wants to know it.
    """

    plain: str
    batches: tuple[int, ...]
    optimiser: Callable[..., torch.optim.Optimizer] = _SGD
    options: Mapping[str, Any] = {}
    first: int | None = None


METHODS = {
    "maple": Method("PlainMaPLe", (4,)),
    "promptsrc": Method("PlainPromptSRC", (4,), options=_ONE),
    "cliplora": Method("PlainCLIPLoRA", (4, 32), _ADAMW, {"model.tuners.lora.dropout": 0.0}),
    "mma": Method("PlainMMA", (16,), first=4),
    "mmrl": Method("PlainMMRL", (16,), _ADAMW, first=5),
}
_TINY_LAYERS = 12  # of both towers, so that the methods' depths fit


def build(method: str, size: str, classes: int, options: Mapping[str, Any]) -> Any:
    """Build the learner of a method's config with seeded random weights."""
    from plp import build_learner

    small = dict(TINY) if size == "tiny" else {}
    if small:
        config = small["model.backbone.model_config"]
        vision = {**config["vision_cfg"], "layers": _TINY_LAYERS}
        small["model.backbone.model_config"] = {**config, "vision_cfg": vision}
    random = {"model.backbone.pretrained": None, **small, **METHODS[method].options}
    config = ROOT / "configs" / method / "vitb16_16shot.py"
    return build_learner(config, class_names(classes), {**random, **options}, seed=0)


def plain_of(method: str, size: str, classes: int) -> PlainTowers:
    """Build the baseline, from the learner's start; on a model that open_clip makes anew."""
    import plain_tuned

    learner, how = build(method, size, classes, {}), METHODS[method]
    start = {}
    for name, parameter in learner.named_parameters():
        if parameter.requires_grad:
            short = name.rpartition(".")[2]
            prompt = short == "context"  # [N, T, D], N = 1
            start["text_context" if prompt else short] = parameter[0] if prompt else parameter
    clip = learner.backbone.model
    if size != "tiny":
        torch.manual_seed(0)
        clip = open_clip.create_model("ViT-B-16", pretrained=None, force_quick_gelu=True)
        clip.logit_scale.data.fill_(torch.tensor(1 / 0.07).log())
    texts = [f"a photo of a {name}." for name in class_names(classes)]
    make = getattr(plain_tuned, how.plain)
    if method == "promptsrc":
        return make(clip, texts, start, PlainTowers(clip, texts).frozen_text())
    return make(clip, texts, start) if how.first is None else make(clip, texts, start, how.first)


def measure(
    method: str, variant: str, size: str, classes: int, batch: int, repeats: int
) -> dict[str, Any]:
    """Measure a variant in this process."""
    images, labels = pixels(batch), torch.arange(batch) % classes
    given: Any = images
    if variant == "plain":
        learner = build(method, "tiny", 2, {})  # its normalisation
        prepared = learner.backbone.normalise(images)
        del learner
        model: Any = plain_of(method, size, classes)
        loaded = held_mib()
        loss_of = partial(model.loss, prepared, labels)
    else:
        model = build(method, size, classes, VARIANTS[variant]).train()
        loaded = held_mib()
        if variant == "kept":
            given = model.keep_image(images)
        loss_of = partial(_summed, model, given, labels)
    optimiser = METHODS[method].optimiser([p for p in model.parameters() if p.requires_grad])

    losses: list[float] = []

    def step() -> torch.Tensor:
        loss = loss_of()
        loss.backward()
        optimiser.step()
        optimiser.zero_grad()
        losses.append(float(loss))
        return loss.detach()

    counted = count(step)[1] if variant == "plain" else {}
    if variant != "plain":
        step()  # keeps what is kept
    held_mib()  # gives freed memory back
    clock = Clock()
    forget_peak()
    for _ in range(repeats):
        with clock("step"):
            step()
    spent, peak = clock.medians()["step"], peak_mib()
    return {
        "cpu": spent.cpu,
        "wall": spent.wall,
        "above": peak - loaded,
        "loss": losses[0],
        "later loss": losses[repeats],
        **(counted or counted_apart(step)),
    }


def counted_apart(step: Step) -> dict[str, float]:
    """Count bytes and operations in a step each: the latter's counter holds on to tensors."""
    from plp.testing.tensor_bytes import PeakTensorBytes

    with PeakTensorBytes() as used:
        step()
    with FlopCounterMode(display=False) as operations:
        step()
    return {"tensors": used.peak / MIB, "TFLOP": operations.get_total_flops() / 1e12}


def _summed(learner: Any, images: Any, labels: torch.Tensor) -> torch.Tensor:
    return sum(learner(images, labels, mode="loss").values())


def main(args: argparse.Namespace) -> None:
    print(f"ViT-B/16, {args.size}, C={args.classes}. Medians of {args.repeats} steps.")
    print_header(["method", *COLUMNS, *RATIOS])
    for method in args.methods:
        for batch in args.batch or METHODS[method].batches:
            size = dict(method=method, size=args.size, classes=args.classes, batch=batch)
            print_rows(size | dict(repeats=args.repeats, threads=args.threads), args.variants)


def print_rows(job: Mapping[str, Any], variants: Iterable[str]) -> None:
    first: dict[str, Any] | None = None
    for variant in variants:
        if variant == "kept" and METHODS[job["method"]].first is None:
            continue  # they act on the first block
        title = f"{job['method']} B={job['batch']} {variant}"
        found = measure_apart(__file__, {**job, "variant": variant})
        if "error" in found:
            print_row([title, found["error"]])
            continue
        first = first or found
        print_row([title, *cells(found, first)])


def cells(found: Mapping[str, Any], first: Mapping[str, Any]) -> list[object]:
    return [
        found["cpu"],
        found["wall"],
        *[f"{found[key]:.0f}" for key in ("above", "tensors")],
        f"{found['TFLOP']:.4g}",
        *[f"{found[key]:.5f}" for key in ("loss", "later loss")],
        f"{first['cpu'] / found['cpu']:.2f}x",
        *[f"{found[key] / first[key]:.2f}" for key in ("above", "tensors")],
        f"{first['TFLOP'] / found['TFLOP']:.2f}x",
    ]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", choices=["full", "tiny"], default="full")
    parser.add_argument("--classes", type=int, default=CLASSES)
    parser.add_argument("--batch", type=int, nargs="+", help="in place of a method's own")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=list(METHODS))
    parser.add_argument("--variants", nargs="+", choices=VARIANTS, default=list(VARIANTS))
    run_script(parser, measure, main)
