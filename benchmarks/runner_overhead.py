"""What the Runner costs beside the model: hooks, logging, schedules, and loading data apart.

    python benchmarks/runner_overhead.py                     # C = 20, B = 8, ViT-B/16

SOT-GLP in the whole training loop of `tools/train.py` on a folder of JPEG files, with seeded random
weights and no worker processes, so that every second is this process's own. `model` is mmengine's
`train_step` (forward, backward, optimiser), `data` what the loader took, `rest` everything else
from the first epoch's start to the last one's end.
"""

import argparse
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from _bench import (
    Clock,
    build_learner,
    class_names,
    measure_apart,
    print_header,
    print_row,
    run_script,
)
from train_step import write_images


class TimedLoader:
    """A loader whose batches are timed."""

    def __init__(self, loader: Any, clock: Clock) -> None:
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


def measure(classes: int, batch: int, epochs: int) -> dict[str, Any]:
    """Train in this process."""
    with tempfile.TemporaryDirectory() as name:
        return trained(Path(name), classes, batch, epochs)


def trained(folder: Path, classes: int, batch: int, epochs: int) -> dict[str, Any]:
    from mmengine.config import Config

    from plp.datasets import FewShot, Item
    from plp.engine.config import load_config
    from plp.engine.data import DataOptions, build_loaders
    from plp.engine.runner import build_runner
    from plp.evaluation import ClassificationMetric
    from plp.hooks import EpochSeedHook, ProgressHook, SaveHook

    names, clock = class_names(classes), Clock()
    files = write_images(folder, classes)
    items = tuple(Item(path.name, label) for label, path in enumerate(files))
    few = FewShot(
        train=items, val=(), test=items[:2], class_names=tuple(names), name="noise", root=folder,
        shots=1, seed=0, sampler="exact", split_hash="", notes=(),
    )  # fmt: skip
    learner = build_learner(classes)
    options = DataOptions(batch_size=batch, num_workers=0, drop_last=True)
    loaders = build_loaders(few, options, learner, seed=0)
    config = load_config(Path(__file__).parents[1] / "configs/sotglp/vitb16_16shot.py")
    config = Config({**config.to_dict(), "train_cfg": dict(max_epochs=epochs, val_interval=100)})
    hooks = [EpochSeedHook(0), ProgressHook(), SaveHook({}, {})]
    runner = build_runner(
        config, learner, loaders, work_dir=folder / "work", device="cpu", seed=0, hooks=hooks,
        metrics={part: ClassificationMetric(tuple(names)) for part in ("val", "test")},
    )  # fmt: skip
    plain = learner.train_step

    def timed(*given: Any, **named: Any) -> Any:
        with clock("model"):
            return plain(*given, **named)

    learner.train_step = timed
    runner.train_loop.dataloader = TimedLoader(runner.train_loop.dataloader, clock)
    with clock("loop"):
        runner.train()
    totals = {stage: sum(one.cpu for one in spent) for stage, spent in clock.stages.items()}
    return {"totals": totals, "steps": len(clock.stages["model"])}


def main(args: argparse.Namespace) -> None:
    job = dict(classes=args.classes, batch=args.batch, epochs=args.epochs, threads=args.threads)
    found = measure_apart(__file__, job)
    if "error" in found:
        print(found["error"])
        return
    steps, totals = found["steps"], found["totals"]
    print(f"C = {args.classes}, B = {args.batch}, {steps} steps, seconds of processor time a step")
    rest = totals["loop"] - totals["model"] - totals["data"]
    print_header(["", "loop", "model", "data", "rest", "rest of loop"])
    cells = [totals["loop"], totals["model"], totals["data"], rest]
    print_row(["Runner", *(cell / steps for cell in cells), f"{100 * rest / totals['loop']:.2f} %"])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--classes", type=int, default=20)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--epochs", type=int, default=3)
    run_script(parser, measure, main)
