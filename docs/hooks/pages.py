"""MkDocs hook: pages made of Markdown outside docs/, and links that leave docs/.

A page of README.md, a method's README and the like is that file: nothing is copied by hand, so
nothing drifts. Links are written for the repository, so that they work there; here each is pointed
at the page of its target. A file that is no page (a config, a module) gets one that shows it.
"""

import os
import posixpath
import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File

FIXED = {
    "README.md": "index.md",
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "configs/README.md": "methods/index.md",
}
LANGUAGES = {".py": "python", ".json": "json", ".toml": "toml", ".sh": "bash", ".cff": "yaml"}
CODE_OR_LINK = re.compile(
    r"(?P<code>^(?P<fence>```+|~~~+).*?^(?P=fence)|(?P<ticks>`+)(?!`).+?(?P=ticks))"
    r"|\]\((?P<path>[^)\s#:]+)(?P<anchor>#[^)\s]*)?\)",
    re.MULTILINE | re.DOTALL,
)


def pages_of(root: Path) -> dict[str, str]:
    """Return the site's page of every Markdown file that has one, both as paths with `/`."""
    inside = {path.relative_to(root).as_posix() for path in root.glob("docs/**/*.md")}
    pages = {path: path.removeprefix("docs/") for path in sorted(inside)}
    for folder, section in (("configs", "methods"), ("examples", "examples")):
        for path in sorted(root.glob(f"{folder}/*/README.md")):
            pages[path.relative_to(root).as_posix()] = f"{section}/{path.parent.name}.md"
    return pages | FIXED


def target_of(root: Path, source: str, link: str) -> str | None:
    """Return the file in the repository that a relative link means, None if there is none."""
    path = posixpath.normpath(posixpath.join(posixpath.dirname(source), link))
    if path.startswith("../") or not (root / path).exists():
        return None
    return posixpath.join(path, "README.md") if (root / path).is_dir() else path


def links_of(root: Path, source: str) -> list[str]:
    """Return the files in the repository that a Markdown file links to."""
    found = CODE_OR_LINK.finditer((root / source).read_text(encoding="utf-8"))
    targets = (target_of(root, source, match["path"]) for match in found if match["path"])
    return [target for target in targets if target is not None]


def shown(root: Path, path: str) -> str:
    """Return the Markdown of a page that shows a file as it is."""
    text = (root / path).read_text(encoding="utf-8").rstrip()
    language = LANGUAGES.get(Path(path).suffix, "text")
    return f"---\nsearch:\n  exclude: true\n---\n# {path}\n\n~~~~~~{language}\n{text}\n~~~~~~\n"


def destination(root: Path, target: str) -> str:
    """Return where a file of the repository stands in the site's sources."""
    page = pages_of(root).get(target)
    if page is not None:
        return page
    return target.removeprefix("docs/") if target.startswith("docs/") else f"source/{target}.md"


def mapped(root: Path, source: str, markdown: str) -> str:
    """Point every relative link of a Markdown file at its target's place in the site."""
    here = posixpath.dirname(pages_of(root)[source])

    def replaced(match: re.Match[str]) -> str:
        target = target_of(root, source, match["path"]) if match["path"] else None
        if target is None:  # code, a link within the page, or one that MkDocs will complain about
            return match[0]
        place = posixpath.relpath(destination(root, target), here or ".")
        return f"]({place}{match['anchor'] or ''})"

    return CODE_OR_LINK.sub(replaced, markdown)


def _root(config: Any) -> Path:
    return Path(os.path.dirname(config.config_file_path))


def on_files(files: Any, config: Any) -> Any:
    """Add the pages of Markdown outside docs/, and of the files that pages link to."""
    root = _root(config)
    pages = pages_of(root)
    for source, page in pages.items():
        if not source.startswith("docs/"):
            text = (root / source).read_text(encoding="utf-8")
            files.append(File.generated(config, page, content=text))
    linked = {target for source in pages for target in links_of(root, source)}
    for target in sorted(linked - set(pages)):
        if not target.startswith("docs/"):
            page = destination(root, target)
            files.append(File.generated(config, page, content=shown(root, target)))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Any) -> str:
    """Map the links of a page that stands in the repository."""
    root = _root(config)
    sources = {place: source for source, place in pages_of(root).items()}
    source = sources.get(page.file.src_uri)
    return markdown if source is None else mapped(root, source, markdown)
