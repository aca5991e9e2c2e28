"""Choose the learning rates of the lite configs, every method by the same rule.

    python docs/results/choose_rates.py --datasets textile dtd=DIR --out work_dirs/rates

Seed 1, 16 shots. Rates are half a decade apart; three are tried around the config's own, and one
more beyond as long as the best is the outermost. The best is the one with the most validation
images right on all datasets together, with the last epoch's model; of several the one nearest to
the config's. No test image has a say. Runs that are there already are not repeated.
"""

import argparse
import csv
import json
import math
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from plp.config.load import load_config

ROOT = Path(__file__).parents[2]
METHODS = (
    "coop", "cocoop", "kgcoop", "plot", "locoop", "gallop", "sotglp", "clip_adapter", "taskres",
    "tip_adapter_f", "zslp", "clap", "prolip", "cliplora", "twostage",
)  # fmt: skip
MOST = 4  # steps away from the config's rate
KEY = "optim_wrapper.optimizer.lr"


def search(right: Callable[[int], int]) -> dict[int, int]:
    """Return the images right by step, in half decades from the config's rate.

    Args:
        right: Counts the images that a step gets right.
    """
    found = {step: right(step) for step in (-1, 0, 1)}
    while (step := best(found)) in (min(found), max(found)) and abs(step) < MOST:
        found[step + int(math.copysign(1, step))] = right(step + int(math.copysign(1, step)))
    return found


def best(found: dict[int, int]) -> int:
    """Return the step with the most images right; of several the nearest, then the lower one."""
    return max(found, key=lambda step: (found[step], -abs(step), -step))


def count_right(method: str, rate: float, datasets: list[str], out: Path) -> dict[str, int]:
    """Return how many validation images a rate gets right, by dataset; 0 for a run that fails."""
    folder = out / method / f"{rate:g}"
    subprocess.run(
        [
            sys.executable, str(ROOT / "tools/compare.py"), "--methods", method, "--datasets",
            *datasets, "--shots", "16", "--seeds", "1", "--jobs", "1", "--device", "cpu",
            "--out", str(folder), "--cfg-options", f"{KEY}={rate:g}",
        ],
        check=False,
    )  # fmt: skip
    right = {name.partition("=")[0]: 0 for name in datasets}
    for path in folder.glob("runs/**/result.json"):
        result = json.loads(path.read_text(encoding="utf-8"))
        validation = result["validation"]
        share = validation["accuracy"]["fused"] / 100
        right[path.parts[-3]] = round(share * validation["num_images"])
    return right


def main(args: argparse.Namespace) -> None:
    """Search, and write `rates.csv` after each method."""
    args.out.mkdir(parents=True, exist_ok=True)
    rows: list[dict[str, object]] = []
    for method in args.methods:
        config = load_config(ROOT / "configs" / method / "lite_16shot.py")
        own = config.optim_wrapper.optimizer.lr
        counts: dict[int, dict[str, int]] = {}

        def right(step: int, method: str = method, own: float = own, counts=counts) -> int:
            rate = float(f"{own * 10 ** (step / 2):.2g}")
            counts[step] = count_right(method, rate, args.datasets, args.out)
            return sum(counts[step].values())

        found = search(right)
        for step in sorted(found):
            rate = f"{own * 10 ** (step / 2):.2g}"
            rows.append(
                {"method": method, "rate": rate, **counts[step], "right": found[step],
                 "config": step == 0, "best": step == best(found)}
            )  # fmt: skip
        with open(args.out / "rates.csv", "w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)


def parser() -> argparse.ArgumentParser:
    """Return the command's arguments."""
    lines = (__doc__ or "").split("\n\n")
    found = argparse.ArgumentParser(description=lines[0])
    found.add_argument("--methods", nargs="+", default=list(METHODS))
    found.add_argument("--datasets", nargs="+", required=True, help="as for tools/compare.py")
    found.add_argument("--out", type=Path, default=Path("work_dirs/rates"))
    return found


if __name__ == "__main__":
    main(parser().parse_args())
