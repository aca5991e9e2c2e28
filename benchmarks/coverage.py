"""What runs on every architecture of open_clip, and what it costs: docs/backbones.md.

    python benchmarks/coverage.py                        # the archs that have no finished row yet
    python benchmarks/coverage.py --archs RN50 ViT-B-16  # these, again
    python benchmarks/coverage.py --families SigLIP CoCa # all archs of these families, again
    python benchmarks/coverage.py --largest 1e8          # cut what has more: less time
    python benchmarks/coverage.py --others               # families beyond open_clip, again
    python benchmarks/coverage.py --page-only            # the page from the rows there are

Each arch of `open_clip.list_models()` runs in a process of its own, with seeded random weights, one
thread and no network: zero-shot compared with open_clip's own features, one training step of each
method on one image and two classes. Those of more than two billion parameters are cut to four
blocks in each tower. Tokenizers and text encoders of the hub are stand-ins
(`plp.testing.hub_stand_ins`). Small archs come first; a row is stored as soon as it is measured,
and a run that is started again goes on where it was stopped. All 144 take about an hour of a core
and up to 10 GiB of memory.
"""

import argparse
import json
import multiprocessing
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
LARGEST = 2e9  # parameters; what has more is cut
ALIKE = 1e-4  # of features, relative
ROWS, PAGE = ROOT / "docs/results/backbones.json", ROOT / "docs/backbones.md"


def apart(limit: float, job: Callable[..., None], *args: Any) -> str:
    """Run a job in a forked process; return why it ended early, '' if it did not."""
    process = multiprocessing.get_context("fork").Process(target=job, args=args)
    process.start()
    process.join(limit)
    if process.is_alive():
        process.kill()
        process.join()
        return f"stopped after {limit:.0f} s"
    return "" if process.exitcode == 0 else f"ended with exit status {process.exitcode}"


def measure(arch: str, home: Path, limit: float, largest: float = LARGEST) -> dict[str, Any]:
    """Return the row of an arch, as far as it came."""
    from _coverage_arch import family, write_stages

    out = home / f"{arch}.jsonl"  # another run may use the folder
    out.write_text("")
    early = apart(limit, write_stages, arch, home, out, largest)
    whole = out.read_text().split("\n")[:-1]
    row = {"arch": arch, "family": family(arch), "finished": False}
    row |= json.loads(whole[-1]) if whole else {}
    return row | {"early": early} if early else row


def by_size(home: Path) -> list[str]:
    """Return all archs, the one of the fewest parameters first."""
    from _coverage_arch import write_sizes

    early = apart(1800, write_sizes, home, home / "sizes.json")
    if early:
        raise SystemExit(f"coverage.py: the archs could not be counted: the process {early}")
    counts = json.loads((home / "sizes.json").read_text())
    return sorted(counts, key=counts.get)


def main(args: argparse.Namespace) -> None:
    """Measure what is wanted, store each row, write the page."""
    home = args.home or Path(tempfile.mkdtemp(prefix="plp-coverage-"))
    home.mkdir(exist_ok=True)
    # Read when huggingface_hub is imported: nothing above may import it.
    os.environ |= {"HF_HOME": str(home), "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    from _coverage_rows import page_of, read_rows, write_others, write_rows

    rows = read_rows(args.rows)
    if args.others:
        from _coverage_others import rows_beyond

        write_others(args.rows, rows_beyond())
    for arch in [] if args.page_only or args.others else wanted(args, rows, home):
        begin = time.perf_counter()
        rows[arch] = measure(arch, home, args.seconds, args.largest)
        write_rows(args.rows, rows.values())
        print(f"{arch}: {time.perf_counter() - begin:.0f} s{summary(rows[arch])}", flush=True)
    args.page.write_text(page_of(args.rows))


def wanted(args: argparse.Namespace, rows: dict[str, dict[str, Any]], home: Path) -> list[str]:
    """Return the archs to measure, in their order."""
    import open_clip

    unknown = set(args.archs or ()) - set(open_clip.list_models())
    if unknown:
        raise SystemExit(f"coverage.py: not in open_clip.list_models(): {', '.join(unknown)}")
    if args.archs:
        return list(args.archs)
    if args.families:
        return [arch for arch, row in rows.items() if row.get("family") in args.families]
    return [arch for arch in by_size(home) if not rows.get(arch, {}).get("finished")]


def summary(row: dict[str, Any]) -> str:
    """Return what is not as it should be."""
    cells = {**row.get("methods", {}), "zero-shot": row.get("zero_shot"), **row.get("step", {})}
    failed = [f"{name}: {cell}" for name, cell in cells.items() if str(cell).startswith("no:")]
    if isinstance(row.get("zero_shot"), float) and row["zero_shot"] > ALIKE:
        failed.append(f"features differ from open_clip's own by {row['zero_shot']}")
    told = [*failed, *(str(row[key]) for key in ("refused", "early") if row.get(key))]
    return "".join(f"\n    {line}" for line in told)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--archs", nargs="+", metavar="ARCH")
    parser.add_argument("--families", nargs="+", metavar="FAMILY", help="of rows that are there")
    parser.add_argument("--seconds", type=float, default=900, help="limit of one arch")
    parser.add_argument("--largest", type=float, default=LARGEST, help="parameters; more are cut")
    parser.add_argument("--rows", type=Path, default=ROWS, help="JSON file of rows")
    parser.add_argument("--page", type=Path, default=PAGE)
    parser.add_argument("--others", action="store_true", help="families beyond open_clip only")
    parser.add_argument("--page-only", action="store_true", help="measure nothing")
    parser.add_argument(
        "--home", type=Path, help="where stand-ins are kept (default: a new folder)"
    )
    main(parser.parse_args())
