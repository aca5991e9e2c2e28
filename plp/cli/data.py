"""List, check and download the field's datasets: `plp data`."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from plp.cli.flags.data import parser
from plp.datasets.benchmarks import BENCHMARKS, Benchmark
from plp.datasets.check import PARTS, Check, Found, check_benchmark, other_roots
from plp.datasets.check_folder import FOLDER, check_folder
from plp.datasets.download import Downloaded, download
from plp.datasets.ood_benchmarks import OOD_BENCHMARKS
from plp.engine.places import check_folder_target
from plp.errors import DataError


def main(argv: Sequence[str] | None = None) -> None:
    """Parse flags, do it.

    Raises:
        SystemExit: with status 1 if something is wrong with a dataset that was named, or nothing
            is found where none was.
    """
    arguments = parser().parse_args(argv)
    if arguments.command == "list":
        print("\n".join(list_lines()))
    elif arguments.command == "download":
        _download(arguments.names, arguments.root)
    else:
        _check(arguments.names, arguments.root, arguments.read)


def list_lines() -> list[str]:
    """Return a line per dataset."""
    rows = [("name", "folder", "classes", "train/val/test", "images from")]
    rows += [
        (name, _folder(one), str(one.classes), _counts(one), _origin(one))
        for name, one in BENCHMARKS.items()
    ]
    rows += [
        (name, " or ".join(one.folders), "-", str(one.size), one.by_hand)
        for name, one in OOD_BENCHMARKS.items()
    ]
    return _aligned(rows)


def check_lines(check: Check) -> list[str]:
    """Return what was found of one dataset: images that are there, of those expected."""
    counts = ", ".join(
        f"{part} {count}" + (f" of {check.expected[part]}" if part in check.expected else "")
        for part, count in check.counts.items()
    )
    head = f"{check.name}: {check.found.value}" + (f" ({counts})" if counts else "")
    return [head, *(f"  {line}" for line in (*check.details, *check.problem.splitlines()))]


def table_lines(checks: Sequence[Check], root: str) -> list[str]:
    """Return a line per dataset, other roots where sets lie, and what to ask next."""
    rows = [("name", "found", "images", "expected")]
    rows += [
        (one.name, one.found.value, _joined(one.counts) or "-", _joined(one.expected))
        for one in checks
    ]
    others = [
        f"Under another root, --root {other}: {', '.join(names)}"
        for other, names in other_roots(root).items()
    ]
    ask = f"What to do about one: python tools/data.py check NAME --root {root}"
    return [*_aligned(rows), *others, ask]


def _check(names: Sequence[str], root: str, read: bool) -> None:
    if not names and not Path(root).is_dir():
        raise DataError(f"no such folder: {root!r}. Expected the folder above the datasets")
    every = names or [*BENCHMARKS, *OOD_BENCHMARKS]
    checks = [
        check_folder(root, read) if name == FOLDER else check_benchmark(name, root, read)
        for name in every
    ]
    if not names:
        print("\n".join(table_lines(checks, root)))
        if all(one.found is Found.NOTHING for one in checks):
            raise SystemExit(1)
        return
    print("\n".join(line for one in checks for line in check_lines(one)))
    if any(one.found is not Found.WHOLE for one in checks):
        raise SystemExit(1)


def _download(names: Sequence[str], root: str) -> None:
    """Download each; what went wrong is told at the end."""
    check_folder_target(root, "--root")
    errors = []
    for name in names:
        try:
            _show(name, download(name, root))
        except DataError as error:
            errors.append(str(error))
    if errors:
        raise DataError("\n".join(errors))


def _show(name: str, done: Downloaded) -> None:
    print(f"{name}: {', '.join(done.entries)} in {done.folder}")
    if terms := BENCHMARKS[name].terms:
        print(f"  terms of use: {terms}, {BENCHMARKS[name].page}")
    if done.missing:
        print(f"  still needed: {done.missing}")


def _folder(one: Benchmark) -> str:
    return f"{one.folder}/{one.images}".removesuffix("/.")


def _counts(one: Benchmark) -> str:
    return "/".join("-" if count is None else str(count) for count in one.counts)


def _joined(counts: Mapping[str, int]) -> str:
    """Return counts as the table of the documentation has them, train / val / test."""
    if "images" in counts:
        return str(counts["images"])
    return "/".join(str(counts.get(part, "-")) for part in PARTS) if counts else ""


def _origin(one: Benchmark) -> str:
    return f"download {one.name}" if one.fetched else f"by hand: {one.by_hand}"


def _aligned(rows: Sequence[tuple[str, ...]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
