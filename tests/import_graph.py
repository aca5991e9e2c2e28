"""Which module of plp imports which, in functions and for annotations too."""

import ast
from collections.abc import Iterator, Mapping

Graph = Mapping[str, set[str]]


def import_graph(sources: Mapping[str, str]) -> dict[str, set[str]]:
    """Return the modules that each module imports, of sources by path such as plp/cli/main.py."""
    texts = {_module_of(path): text for path, text in sources.items()}
    return {name: set(_imported(text, texts)) - {name} for name, text in texts.items()}


def of_folders(graph: Graph) -> dict[str, set[str]]:
    """Return the folders that each folder imports from, such as `plp.engine`; `plp` has none."""
    folders: dict[str, set[str]] = {folder_of(name): set() for name in graph}
    for name, imported in graph.items():
        folders[folder_of(name)] |= {folder_of(one) for one in imported} - {folder_of(name)}
    return folders


def folder_of(module: str) -> str:
    """Return the folder of a module; a file at the top is its own."""
    return ".".join(module.split(".")[:2])


def circles(graph: Graph) -> list[list[str]]:
    """Return the sets of nodes that reach each other, the largest first."""
    reached = {node: _reached(graph, node) for node in graph}
    found = {frozenset(b for b in reached[a] if a in reached[b]) for a in graph if a in reached[a]}
    return sorted(map(sorted, found), key=lambda circle: (-len(circle), circle))


def _reached(graph: Graph, start: str) -> set[str]:
    seen: set[str] = set()
    left = list(graph[start])
    while left:
        node = left.pop()
        if node not in seen:
            seen.add(node)
            left.extend(graph[node])
    return seen


def _module_of(path: str) -> str:
    return path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def _imported(text: str, known: Mapping[str, str]) -> Iterator[str]:
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            asked = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            asked = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        for name in asked:
            while name and name not in known:
                name = name.rpartition(".")[0]
            if name:
                yield name
