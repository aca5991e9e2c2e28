"""What the Runner costs beside the model: hooks, logging, schedules, and loading data apart.

    python benchmarks/runner_overhead.py                     # C = 20, B = 8, ViT-B/16
    python benchmarks/runner_overhead.py --cached --augment device
    python benchmarks/runner_overhead.py --device cuda --precision bf16 --classes 1000 --batch 256 \
        --workers 16                                         # ImageNet's shape on a GPU

SOT-GLP in the whole training loop of `tools/train.py` on a folder of JPEG files, an image per
class, with seeded random weights. `loop` is an epoch from its start to the start of the next or the
end of training, `model` mmengine's `train_step` (forward, backward, optimiser), `data` the wait for
the loader, `rest` everything else. The first epoch warms up and is not counted. Times are of the
processor, where without worker processes every second is this process's own; on a GPU they lie
between events on the device, so that what the host does while the device computes costs nothing.
"""

import argparse
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from _bench import (
    TINY,
    build_learner,
    class_names,
    measure_apart,
    print_header,
    print_row,
    run_script,
)
from _events import EventClock
from _photos import write_images


class TimedLoader:
    """A loader whose batches are timed."""

    def __init__(self, loader: Any, clock: EventClock) -> None:
        self.loader = loader
        self.clock = clock

    def __getattr__(self, name: str) -> Any:
        return getattr(self.loader, name)

    def __len__(self) -> int:
        return len(self.loader)

    def __iter__(self) -> Iterator[Any]:
        batches = iter(self.loader)
        while True:
            with self.clock("data"):
                batch = next(batches, None)
            if batch is None:
                return
            yield batch


def measure(device: str, options: dict[str, Any], data: dict[str, Any], **shape: int) -> Any:
    """Train in this process."""
    from plp.engine.runner import check_device

    check_device(device, options["model.precision"])
    with tempfile.TemporaryDirectory() as name:
        runner = build(Path(name), device, options, data, **shape)
        return train(runner, EventClock(device))


def build(
    folder: Path, device: str, options: dict[str, Any], data: dict[str, Any], classes: int,
    epochs: int,
) -> Any:  # fmt: skip
    """Write images, and build the Runner that `tools/train.py` would."""
    from mmengine.config import Config

    from plp.config.data_options import DataOptions
    from plp.config.load import load_config
    from plp.datasets import FewShot, Item
    from plp.engine.data import build_loaders
    from plp.engine.runner import build_runner
    from plp.evaluation import ClassificationMetric
    from plp.hooks import EpochSeedHook, ProgressHook, SaveHook

    names = class_names(classes)
    items = tuple(Item(path.name, n) for n, path in enumerate(write_images(folder, classes)))
    few = FewShot(
        train=items, val=(), test=items[:2], class_names=tuple(names), name="noise", root=folder,
        shots=1, seed=0, sampler="exact", split_hash="", notes=(),
    )  # fmt: skip
    learner = build_learner(classes, options).to(device)
    loaders = build_loaders(few, DataOptions(**data, drop_last=True), learner, seed=0)
    config = load_config(Path(__file__).parents[1] / "configs/sotglp/vitb16_16shot.py")
    config = Config({**config.to_dict(), "train_cfg": dict(max_epochs=epochs, val_interval=1000)})
    hooks = [EpochSeedHook(0), ProgressHook(), SaveHook({}, {})]
    return build_runner(
        config, learner, loaders, work_dir=folder / "work", device=device, seed=0, hooks=hooks,
        metrics={part: ClassificationMetric(tuple(names)) for part in ("val", "test")},
    )  # fmt: skip


def train(runner: Any, clock: EventClock) -> dict[str, Any]:
    """Train; return the time of all epochs but the first."""
    loop, learner, begin = runner.train_loop, runner.model, []
    step, epoch = learner.train_step, loop.run_epoch

    def timed_step(*given: Any, **named: Any) -> Any:
        with clock("model"):
            return step(*given, **named)

    def timed_epoch() -> None:
        if runner.epoch == 1:
            clock.forget()
            begin.append(clock.mark())
        epoch()

    learner.train_step, loop.run_epoch = timed_step, timed_epoch
    loop.dataloader = TimedLoader(loop.dataloader, clock)
    runner.train()
    clock.since("loop", *begin)
    spent = clock.seconds()
    return {"totals": {s: sum(one) for s, one in spent.items()}, "steps": len(spent["model"])}


def main(args: argparse.Namespace) -> None:
    cached = dict(views=1, cache_features=True) if args.cached else {}
    options = {"model.precision": args.precision, "model.text_chunk": args.text_chunk}
    job = dict(
        device=args.device, classes=args.classes, epochs=args.epochs, threads=args.threads,
        options=options | (TINY if args.size == "tiny" else {}),
        data=dict(
            batch_size=args.batch, num_workers=args.workers, augment=args.augment, **cached
        ),
    )  # fmt: skip
    found = measure_apart(__file__, job)
    if "error" in found:
        print(found["error"])
        return
    steps, totals = found["steps"], found["totals"]
    print(
        f"C = {args.classes}, B = {args.batch}, {args.precision}, {args.workers} workers, "
        f"{'cached views, ' * args.cached}crops on the {args.augment}; seconds a step of {steps}"
    )
    rest = totals["loop"] - totals["model"] - totals["data"]
    print_header(["", "loop", "model", "data", "rest", "rest of loop"])
    cells = [totals["loop"], totals["model"], totals["data"], rest]
    print_row(["Runner", *(cell / steps for cell in cells), f"{100 * rest / totals['loop']:.2f} %"])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--classes", type=int, default=20)
    parser.add_argument("--batch", type=int, default=8, help="at most the number of classes")
    parser.add_argument("--epochs", type=int, default=4, help="2 or more")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--precision", choices=["fp32", "bf16", "fp16"], default="fp32")
    parser.add_argument("--text-chunk", type=int)
    parser.add_argument("--size", choices=["vit", "tiny"], default="vit")
    parser.add_argument("--workers", type=int, default=0)
    parser.add_argument("--cached", action="store_true", help="features of one view, in memory")
    parser.add_argument("--augment", choices=["cpu", "device"], default="cpu")
    run_script(parser, measure, main)
