"""What open_clip has a table of, read without importing it: importing it brings torch.

Archs are the file names of its `model_configs`, published weights the calls in its `pretrained.py`.
Should another version lay these out otherwise, it is imported and asked.
"""

import ast
import json
from collections.abc import Mapping
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any


@cache
def archs() -> tuple[str, ...]:
    """Return the archs that open_clip knows, as `open_clip.list_models()` does."""
    found = sorted(path.stem for path in (_folder() / "model_configs").glob("*.json"))
    if found:
        return tuple(found)
    import open_clip

    return tuple(open_clip.list_models())


@cache
def arch_config(arch: str) -> Mapping[str, Any]:
    """Return open_clip's model config of an arch that it knows; {} if there is no such file."""
    path = _folder() / "model_configs" / f"{arch}.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}


@cache
def published() -> Mapping[str, Mapping[str, Mapping[str, str]]]:
    """Return where the published weights are: `hf_hub` and `url` by arch and tag.

    Example:
        >>> published()['PE-Core-B-16']
        {'meta': {'url': '', 'hf_hub': 'timm/PE-Core-B-16/'}}
    """
    try:
        found = _read((_folder() / "pretrained.py").read_text(encoding="utf-8"))
    except (OSError, SyntaxError, ValueError, KeyError, AttributeError, TypeError):
        found = {}
    return found or _asked()


def tags_of(arch: str) -> tuple[str, ...]:
    """Return the tags of an arch; none if there are no published weights of it."""
    return tuple(published().get(arch, {}))


def tower_of(config: Mapping[str, Any]) -> str:
    """Return the kind of the image tower of an open_clip model config, a key of `STREAMS`.

    Example:
        >>> tower_of(arch_config('RN50')), tower_of(arch_config('convnext_base'))
        ('resnet', 'convolutional')
    """
    vision = config.get("vision_cfg") or {}
    if name := vision.get("timm_model_name"):
        return "transformer" if name.startswith(("vit", "eva", "naflex")) else "convolutional"
    return "resnet" if isinstance(vision.get("layers"), list | tuple) else "transformer"


def _folder() -> Path:
    found = getattr(find_spec("open_clip"), "submodule_search_locations", None)
    return Path(found[0] if found else "open_clip")


def _read(source: str) -> dict[str, dict[str, dict[str, str]]]:
    """Read `_NAME = dict(tag=_pcfg(url=..., hf_hub=...))` and `_PRETRAINED = {arch: _NAME}`.

    open_clip adds `ARCH-quickgelu` with the tags whose weights are of QuickGELU; so does this.
    """
    values: dict[str, Any] = {
        target.id: node.value
        for node in ast.parse(source).body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    table, found, quick = values["_PRETRAINED"], {}, {}
    for key, value in zip(table.keys, table.values, strict=True):
        arch = ast.literal_eval(key)
        call = values[value.id] if isinstance(value, ast.Name) else value
        tags = {tag.arg: _keywords(tag.value) for tag in call.keywords}
        found[arch] = {tag: _place(given) for tag, given in tags.items()}
        if of_quick := {tag: _place(given) for tag, given in tags.items() if "quick_gelu" in given}:
            quick[f"{arch}-quickgelu"] = of_quick
    return found | quick


def _keywords(call: Any) -> dict[str, Any]:
    """Return the keywords of `_pcfg(URL, hf_hub=..., quick_gelu=True)` that say where and what."""
    given = {"url": call.args[0]} if call.args else {}
    given |= {one.arg: one.value for one in call.keywords}
    told = [key for key in ("url", "hf_hub", "quick_gelu") if key in given]
    kept = {key: ast.literal_eval(given[key]) for key in told}
    return {key: value for key, value in kept.items() if value}


def _place(given: Mapping[str, Any]) -> dict[str, str]:
    return {"url": given.get("url", ""), "hf_hub": given.get("hf_hub", "")}


def _asked() -> dict[str, dict[str, dict[str, str]]]:
    """Import open_clip and ask it."""
    import open_clip

    found: dict[str, dict[str, dict[str, str]]] = {}
    for arch, tag in open_clip.list_pretrained():
        found.setdefault(arch, {})[tag] = _place(open_clip.get_pretrained_cfg(arch, tag))
    return found
