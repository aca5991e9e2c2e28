"""Where the runs of a table come from, where that is not the same for all."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from plp.results.records import OODRun, Origin, Run
from plp.wording import count

_MOST = 4
_PACKAGES = ("plp", "torch")


def origin_of(result: Mapping[str, Any]) -> Origin:
    """Return where a result comes from.

    Example:
        >>> origin_of({'config': {'dataset': {'root': '/a'}}, 'versions': {'torch': '2.9.1'},
        ...            'git_commit': 'abcdef0123'})
        Origin(root='/a', made_by='torch 2.9, commit abcdef0')
    """
    dataset = result["config"].get("dataset") or {}
    found = [
        f"{name} {'.'.join(str(version).split('.')[:2])}"
        for name, version in result["versions"].items()
        if name in _PACKAGES
    ]
    if commit := result.get("git_commit"):
        found.append(f"commit {commit[:7]}{'-dirty' if commit.endswith('-dirty') else ''}")
    return Origin(str(dataset.get("root") or ""), ", ".join(found))


def notes_on_folders(rows: Sequence[Run | OODRun]) -> list[str]:
    """Return a note on each dataset whose runs were made from several folders."""
    roots: dict[str, Counter[str]] = {}
    for row in rows:
        if row.origin and row.origin.root:
            roots.setdefault(row.dataset, Counter())[row.origin.root] += 1
    return [
        f"Runs on {dataset} were made from different folders, make sure that they hold the same "
        f"images: {_listed(found)}."
        for dataset, found in roots.items()
        if len(found) > 1
    ]


def notes_on_makers(rows: Sequence[Run | OODRun]) -> list[str]:
    """Return a note where runs were made by different versions of plp or torch."""
    found = Counter(row.origin.made_by for row in rows if row.origin and row.origin.made_by)
    return [f"Runs were made by different versions: {_listed(found)}."] if len(found) > 1 else []


def _listed(found: Counter[str]) -> str:
    shown = [f"{name} ({count(number, 'run')})" for name, number in found.most_common(_MOST)]
    more = f"; and {len(found) - _MOST} more" if len(found) > _MOST else ""
    return "; ".join(shown) + more
