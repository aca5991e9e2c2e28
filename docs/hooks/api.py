"""MkDocs hook: the pages of the API, and links to them from the table of components.

Nothing is imported: what a package exports is read from the import statements of its `__init__`.
"""

import ast
import os
import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File

# Pages in the order a reader wants them; packages that are not named here follow. Of a package its
# `__all__` is shown, of a module all that is public; `plp.testing` exports nothing and is shown
# module by module.
ORDER = (
    "plp", "plp.inference", "plp.backbones", "plp.prompts", "plp.projections", "plp.selectors",
    "plp.aligners", "plp.branches", "plp.losses", "plp.scores", "plp.learners", "plp.datasets",
    "plp.transforms", "plp.evaluation", "plp.hooks", "plp.results", "plp.visualization",
)  # fmt: skip
MODULES = {
    "plp.structures": ("plp.structures",),
    "plp.registry": ("plp.registry",),
    "plp.errors": ("plp.errors",),
    "plp.engine.staged_loop": ("plp.engine.staged_loop",),
    "plp.testing": (
        "plp.testing.aligner_laws",
        "plp.testing.backbone_laws",
        "plp.testing.transport_laws",
        "plp.testing.laws",
        "plp.testing.strategies",
        "plp.testing.clip_weights",
        "plp.testing.tensor_bytes",
    ),
}
COMPONENT = re.compile(r"^\| `(\w+)` \|", re.MULTILINE)


def packages(root: Path) -> list[str]:
    """Return plp and its packages that have an `__all__`."""
    inits = [root / "plp/__init__.py", *sorted(root.glob("plp/*/__init__.py"))]
    shown = [path for path in inits if "\n__all__ = " in path.read_text(encoding="utf-8")]
    names = [".".join(path.parent.relative_to(root).parts) for path in shown]
    return sorted(names, key=lambda name: ORDER.index(name) if name in ORDER else len(ORDER))


def _parsed(root: Path, module: str) -> ast.Module:
    path = root.joinpath(*module.split("."))
    path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    return ast.parse(path.read_text(encoding="utf-8"))


def exports(root: Path, package: str) -> dict[str, str]:
    """Return what a package's `__all__` names and where each is defined, the contract first."""
    tree = _parsed(root, package)
    imported = {
        name.asname or name.name: f"{node.module}.{name.name}"
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
        for name in node.names
    }
    (listed,) = (
        ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__"
    )
    found = {name: place for name, place in imported.items() if name in listed}
    return dict(sorted(found.items(), key=lambda entry: ".base." not in entry[1]))


def components(root: Path) -> dict[str, str]:
    """Return where everything that packages export is defined, by its name in configs."""
    places = [place for package in packages(root) for place in exports(root, package).values()]
    found = {place.rpartition(".")[2]: place for place in places}
    found["StagedTrainLoop"] = "plp.engine.staged_loop.StagedTrainLoop"  # no package exports it
    return found | {name: place for place in places for name in _other_names(root, place)}


def _other_names(root: Path, place: str) -> list[str]:
    """Return the names that something is registered under beside its own."""
    module, _, own = place.rpartition(".")
    return [
        ast.literal_eval(keyword.value)
        for node in _parsed(root, module).body
        if getattr(node, "name", None) == own
        for decorator in getattr(node, "decorator_list", [])
        if isinstance(decorator, ast.Call)
        for keyword in decorator.keywords
        if keyword.arg == "name"
    ]


def package_page(root: Path, package: str) -> str:
    """Return the page of a package: its docstring, then an entry for each name it exports."""
    entries = [f"::: {place}" for place in exports(root, package).values()]
    text = ast.get_docstring(_parsed(root, package)) or ""
    return "\n\n".join([f"# {package}", text, *entries]) + "\n"


def modules_page(title: str, modules: tuple[str, ...]) -> str:
    """Return a page with all that is public in some modules."""
    options = "    options: {show_root_heading: %s, show_root_full_path: true}"
    heading = "true" if len(modules) > 1 else "false"
    entries = [f"::: {module}\n{options % heading}" for module in modules]
    return "\n\n".join([f"# {title}", *entries]) + "\n"


def overview_page(root: Path) -> str:
    """Return the first page: a line a module, from its docstring."""
    rows = []
    for module in (*packages(root), *MODULES):
        text = (ast.get_docstring(_parsed(root, module)) or "").partition("\n\n")[0]
        rows.append(f"| [`{module}`]({module}.md) | {' '.join(text.split())} |")
    return "\n".join(["# API", "", "| module | |", "|---|---|", *rows, ""])


def _root(config: Any) -> Path:
    return Path(os.path.dirname(config.config_file_path))


def on_files(files: Any, config: Any) -> Any:
    """Add the pages of the API."""
    root = _root(config)
    pages = {"index": overview_page(root)}
    pages |= {package: package_page(root, package) for package in packages(root)}
    pages |= {title: modules_page(title, modules) for title, modules in MODULES.items()}
    for name, text in pages.items():
        files.append(File.generated(config, f"api/{name}.md", content=text))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Any) -> str:
    """Link every component of the table to its entry; a name that has none fails the build."""
    if page.file.src_uri != "components.md":
        return markdown
    places = components(_root(config))
    return COMPONENT.sub(
        lambda match: f"| [`{match[1]}`][{places.get(match[1], match[1])}] |", markdown
    )
