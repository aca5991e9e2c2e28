"""Count what issue 16 asks of the tree: lines, long files, record types, circles of imports.

python .ci/house.py                  # the working tree
python .ci/house.py 2c8eb07          # a commit, to compare with

Lines are those of `wc -l`. A circle is a set of files (or folders of `plp`) that import each other,
directly or through others, by imports at the top of files; `lazy` also counts those in functions.
"""

import argparse
import ast
import subprocess
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LONGEST = 250
RECORDS = {"NamedTuple", "TypedDict"}

Graph = dict[str, set[str]]


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


def module_of(path: str) -> str:
    """Return the dotted name of a file."""
    return path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def imports(tree: ast.Module, modules: set[str], lazy: bool) -> Iterator[str]:
    """Yield the modules of plp that a file imports."""
    for node in walk(tree, lazy):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in modules)
        elif isinstance(node, ast.ImportFrom) and node.module in modules:
            for alias in node.names:
                name = f"{node.module}.{alias.name}"
                yield name if name in modules else node.module


def walk(node: ast.AST, lazy: bool) -> Iterator[ast.AST]:
    """Yield the nodes below one; those in functions too if `lazy`."""
    for child in ast.iter_child_nodes(node):
        if lazy or not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
            yield child
            yield from walk(child, lazy)


def circles(graph: Graph) -> list[list[str]]:
    """Return the sets of nodes that reach each other, the largest first."""
    reached = {node: reach(graph, node) for node in graph}
    found = {frozenset(b for b in reached[a] if a in reached[b]) for a in graph if a in reached[a]}
    return sorted(map(sorted, found), key=lambda circle: (-len(circle), circle))


def reach(graph: Graph, start: str) -> set[str]:
    """Return all nodes that a way from `start` leads to."""
    seen: set[str] = set()
    left = list(graph[start])
    while left:
        node = left.pop()
        if node not in seen:
            seen.add(node)
            left.extend(graph[node])
    return seen


def import_graphs(trees: dict[str, ast.Module], lazy: bool) -> tuple[Graph, Graph]:
    """Return who imports whom: files, and folders of `plp` (or files that lie beside them)."""
    modules = {module_of(path) for path in trees}
    files: Graph = {name: set() for name in modules}
    folders: Graph = defaultdict(set)
    for path, tree in trees.items():
        name = module_of(path)
        files[name] = set(imports(tree, modules, lazy)) - {name}
        own = ".".join(name.split(".")[:2])
        folders[own] |= {".".join(one.split(".")[:2]) for one in files[name]} - {own, "plp"}
    return files, {name: folders[name] for name in sorted(folders)}


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
    for lazy in (False, True):
        for kind, graph in zip(("files", "folders"), import_graphs(trees, lazy), strict=True):
            found = circles(graph)
            print(f"circles of {kind}{' (lazy)' if lazy else ''}: {len(found)}")
            for circle in found:
                more = f", ... {len(circle)} in all" if len(circle) > 8 else ""
                print(f"  {', '.join(circle[:8])}{more}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("commit", nargs="?", help="a commit in place of the working tree")
    main(parser.parse_args().commit)
