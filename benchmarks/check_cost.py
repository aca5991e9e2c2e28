"""What hashing and checks cost: of many files, and as a share of a run.

    python benchmarks/check_cost.py                                    # 50,000 files, three kinds
    python benchmarks/check_cost.py --data-root DATA/caltech-101       # a run, too

Files are found to be the same by size, then by their first and last 4 KB, then whole
(`plp.datasets.contents.equal_files`): `different sizes` reads nothing, `equal sizes` reads both
ends of each file, `equal sizes and ends` all of it. They have just been written, so that the disk
is warm.

A run is `tools/train.py` with the lite backbone on a folder in CoOp's layout. Its `result.json`
says what a timer in the code counted (`plp.check_cost`): duplicates, contents of shots and
validation images, digests of what is stored. Times are of the processor, which mean something on
a machine that does other work, too.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from _bench import print_header, print_row

SIZE = 20_000  # bytes of a small photo
HALF = SIZE // 2
KINDS: dict[str, Callable[[bytes, int], bytes]] = {
    "different sizes": lambda noise, i: _bytes(i) + noise[: HALF + i],
    "equal sizes": lambda noise, i: _bytes(i) + noise[:SIZE],
    "equal sizes and ends": lambda noise, i: noise[:HALF] + _bytes(i) + noise[HALF:SIZE],
}


def _bytes(number: int) -> bytes:
    return number.to_bytes(4, "big")


def write_files(folder: Path, kind: str, count: int) -> list[str]:
    """Write so many files of one kind; no two are the same."""
    noise, paths = os.urandom(SIZE + count), []
    for i in range(count):
        path = folder / f"{i:06d}.jpg"
        path.write_bytes(KINDS[kind](noise, i))
        paths.append(str(path))
    return paths


def time_files(count: int) -> None:
    """Print the time that each kind takes."""
    from plp.check_cost import Cost
    from plp.datasets.contents import equal_files

    print_header([f"{count} files", "wall s", "processor s"])
    for kind in KINDS:
        with tempfile.TemporaryDirectory() as name:
            paths = write_files(Path(name), kind, count)
            begin, before = Cost.now(), Cost.of_checks()
            found = equal_files(paths)
            wall = time.monotonic() - begin.wall
            if found:
                raise SystemExit(f"{kind}: expected no two files to be the same, got {found[:3]}")
        print_row([kind, wall, Cost.of_checks().since(before).processor])


def time_run(root: Path, options: list[str]) -> None:
    """Train, and print what hashing and checks took of it."""
    tool = Path(__file__).parents[1] / "tools/train.py"
    config = Path(__file__).parents[1] / "configs/sotglp/lite_16shot.py"
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "run"
        flags = ["--dataset", "coop", "--data-root", str(root), "--device", "cpu"]
        command = [sys.executable, str(tool), str(config), *flags, "--work-dir", str(folder)]
        subprocess.run([*command, "--cfg-options", "report=False", *options], check=True)
        result = json.loads((folder / "result.json").read_text(encoding="utf-8"))
    spent, seconds = result["processor_seconds"], result["seconds"]
    print_header(["run", "images", "checks, wall s", "checks s", "run s", "share"])
    images = sum(result["images"].values())
    share = f"{100 * spent['checks'] / spent['run']:.2f} %"
    print_row([result["dataset"], images, seconds["checks"], spent["checks"], spent["run"], share])


def main() -> None:
    """Parse flags, measure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--files", type=int, default=50_000)
    parser.add_argument("--data-root", type=Path, help="folder with a split file, for a run")
    parser.add_argument("--options", nargs="*", default=[], help="as --cfg-options of the run")
    arguments = parser.parse_args()
    if arguments.files:
        time_files(arguments.files)
    if arguments.data_root:
        time_run(arguments.data_root, arguments.options)


if __name__ == "__main__":
    main()
