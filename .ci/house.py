"""Count what issue 16 asks of the tree: lines, long files, record types, circles of imports.

python .ci/house.py                  # the working tree
python .ci/house.py 2c8eb07          # a commit, to compare with

Lines are those of `wc -l`. A circle is a set of files (or folders of `plp`) that import each other,
directly or through others; imports in functions and for annotations count.
"""

import argparse
import ast
import subprocess
import sys
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from import_graph import circles, import_graph, of_folders  # noqa: E402

LONGEST = 250
RECORDS = {"NamedTuple", "TypedDict"}
DOORS = ("plp", "plp.__main__")  # open the upper floors on demand


def git(*arguments: str) -> str:
    """Return what git prints."""
    command = ["git", "-C", str(ROOT), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def sources(commit: str | None) -> dict[str, str]:
    """Return all tracked Python files, by path."""
    if commit is None:
        paths = [path for path in git("ls-files", "*.py").split("\n") if (ROOT / path).is_file()]
        return {path: (ROOT / path).read_text(encoding="utf-8") for path in paths}
    listed = git("ls-tree", "-r", "--name-only", commit).split("\n")
    return {path: git("show", f"{commit}:{path}") for path in listed if path.endswith(".py")}


def records(trees: dict[str, ast.Module]) -> Counter[str]:
    """Count record types (named tuples, dataclasses, typed dicts) by name."""
    names: Counter[str] = Counter()
    for tree in trees.values():
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef):
                marks = [ast.unparse(one) for one in (*node.bases, *node.decorator_list)]
                marks = [mark.split("(")[0].split(".")[-1] for mark in marks]
                names[node.name] += bool(RECORDS & set(marks)) or "dataclass" in marks
    return names


def main(commit: str | None) -> None:
    """Print the counts."""
    texts = sources(commit)
    own = {path: text for path, text in texts.items() if path.startswith("plp/")}
    trees = {path: ast.parse(text) for path, text in own.items()}
    lines: Counter[str] = Counter()
    for path, text in own.items():
        lines[path.split("/")[1] if path.count("/") > 1 else "(files)"] += text.count("\n")
    print(f"lines of plp: {sum(lines.values())}")
    for folder, count in lines.most_common():
        print(f"  {count:6} {folder}")
    long = {path: text.count("\n") for path, text in texts.items() if text.count("\n") > LONGEST}
    print(f"files over {LONGEST} lines: {len(long)}")
    for path, count in sorted(long.items(), key=lambda item: -item[1]):
        print(f"  {count:6} {path}")
    skips = {path: text.count("# fmt: skip") for path, text in texts.items() if ".ci/" not in path}
    in_plp = sum(count for path, count in skips.items() if path.startswith("plp/"))
    print(f"'# fmt: skip': {sum(skips.values())}, {in_plp} of them in plp")
    named = records(trees)
    twice = {name: count for name, count in named.items() if count > 1}
    print(f"record types: {sum(named.values())}, of a name that another has: {sum(twice.values())}")
    print(f"  {', '.join(f'{name} {count}' for name, count in sorted(twice.items())) or '-'}")
    graph = import_graph(own)
    apart = {name: set() if name in DOORS else found for name, found in graph.items()}
    for kind, found in (("files", circles(graph)), ("folders", circles(of_folders(apart)))):
        print(f"circles of {kind}: {len(found)}")
        for circle in found:
            more = f", ... {len(circle)} in all" if len(circle) > 8 else ""
            print(f"  {', '.join(circle[:8])}{more}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("commit", nargs="?", help="a commit in place of the working tree")
    main(parser.parse_args().commit)
