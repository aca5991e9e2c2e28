"""Which module of plp imports which: of statements anywhere in a file, in functions too."""

import ast
from collections.abc import Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

Graph = Mapping[str, set[str]]


def modules(root: Path) -> dict[str, Path]:
    """Return the modules of plp below a folder, by their dotted names."""
    found = {}
    for path in sorted(root.glob("plp/**/*.py")):
        name = ".".join(path.relative_to(root).with_suffix("").parts)
        found[name.removesuffix(".__init__")] = path
    return found


def import_graph(root: Path) -> dict[str, set[str]]:
    """Return the modules that each module imports; imports for annotations alone do not count."""
    known = modules(root)
    return {
        name: {found for asked in _imported(path) if (found := _module(asked, known)) != name}
        for name, path in known.items()
    }


def folder_of(module: str) -> str:
    """Return the folder of a module, such as `plp.engine`; a file at the top is its own."""
    return ".".join(module.split(".")[:2])


def circle(graph: Graph) -> list[str]:
    """Return one circle of a graph, its first member again at its end; nothing without any."""
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def _imported(path: Path) -> Iterator[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    apart = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if id(node) in apart:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.startswith("plp"))
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "plp":
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _module(asked: str, known: Mapping[str, Path]) -> str:
    """Return the module that a dotted name is, or lies in."""
    while asked not in known:
        asked = asked.rpartition(".")[0]
    return asked
