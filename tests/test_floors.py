"""The house has floors: a folder imports from those below it, and no two files import each other.

`FLOORS` is the picture of docs/architecture.md. What is not named there lies below them all: the
components, and the modules beside them.
"""

from pathlib import Path

import pytest
from import_graph import circles, folder_of, import_graph, of_folders

ROOT = Path(__file__).parents[1]
FLOORS = (
    "config", "results", "checkpoints", "features", "scoring", "hooks", "engine", "inference",
    "visualization", "export", "ood", "report", "sweeps", "api", "cli",
)  # fmt: skip
DOORS = {"plp", "plp.__main__"}  # `import plp` and `python -m plp` open the upper floors on demand


@pytest.fixture(scope="module")
def graph():
    paths = sorted(ROOT.glob("plp/**/*.py"))
    return import_graph({str(p.relative_to(ROOT)): p.read_text(encoding="utf-8") for p in paths})


def test_no_two_files_import_each_other(graph):
    assert circles(graph) == []


def test_no_two_folders_import_each_other(graph):
    apart = {name: set() if name in DOORS else found for name, found in graph.items()}
    assert circles(of_folders(apart)) == []


def test_a_folder_imports_from_floors_below_it_alone(graph):
    height = {f"plp.{name}": level for level, name in enumerate(FLOORS, start=1)}
    wrong = [
        f"{name} imports {one}"
        for name, imported in graph.items()
        for one in imported
        if name not in DOORS
        and folder_of(name) != folder_of(one)
        and height.get(folder_of(one), 0) >= max(height.get(folder_of(name), 0), 1)
    ]
    assert wrong == []


def test_nobody_comes_in_by_the_front_door(graph):
    """A module that imports `plp` itself, rather than a module of it, would close a circle."""
    assert [name for name, imported in graph.items() if "plp" in imported] == []


def test_every_floor_is_there(graph):
    assert {f"plp.{name}" for name in FLOORS} <= {folder_of(name) for name in graph}


def test_a_circle_is_found():
    sources = {
        "plp/a.py": "from plp.b import x",
        "plp/b.py": "def x():\n    import plp.c",
        "plp/c.py": "if TYPE_CHECKING:\n    from plp import a",
        "plp/d/__init__.py": "import plp.a, torch",
    }
    assert circles(import_graph(sources)) == [["plp.a", "plp.b", "plp.c"]]
