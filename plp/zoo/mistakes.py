"""What to say about a name of a backbone that means nothing: with the nearest that does."""

import difflib
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from plp.wording import count
from plp.zoo.folders import prefix_of
from plp.zoo.published import archs, published, tags_of
from plp.zoo.table import ENTRIES

FULL_NAMES = (
    "Full names: ARCH:TAG of open_clip, hf-hub:ORG/NAME, local-dir:FOLDER, transformers:ORG/NAME, "
    "timm:NAME"
)
_LISTED = "`plp list --backbones` lists short names."
_MOST = 4
_LEAST = 3  # letters that say enough


def nearest(name: str, known: Iterable[str], most: int = 3) -> list[str]:
    """Return the known names most like one; those that differ in case and separators are alone.

    Names that begin or end with it come first: the rest may be left out, or forgotten.

    Example:
        >>> nearest('VIT_B16', ['vit-b32', 'vit-b16', 'rn50'])
        ['vit-b16']
        >>> nearest('laion2b', ['laion400m_e32', 'laion2b_s34b_b88k', 'openai'])
        ['laion2b_s34b_b88k', 'laion400m_e32']
    """
    plain: dict[str, list[str]] = {}
    for one in known:
        plain.setdefault(_plain(one), []).append(one)
    if same := plain.get(_plain(name)):
        return same[:most]
    word = _plain(name)
    parts = [key for key in plain if len(word) >= _LEAST and key.startswith(word)]
    parts += [key for key in plain if len(word) >= _LEAST and key.endswith(word)]
    parts += [key for key in plain if len(key) >= _LEAST and word.startswith(key)]
    close = difflib.get_close_matches(word, list(plain), n=most, cutoff=0.6)
    near = list(dict.fromkeys([*parts, *close]))
    return [one for key in near for one in plain[key]][:most]


def did_you_mean(name: str, known: Iterable[str], most: int = 3) -> str:
    """Return a question about the known names most like one; '' if none is."""
    near = nearest(name, known, most)
    return f" Did you mean {' or '.join(map(repr, near))}?" if near else ""


def unknown_name(name: str) -> str:
    """Say that a name is neither short nor full."""
    path = Path(name).expanduser()
    if "huggingface.co/" in name:
        place = "/".join(name.partition("huggingface.co/")[2].split("/")[:2])
        return f"{name!r} is an address. Did you mean 'hf-hub:{place}' or 'transformers:{place}'?"
    if path.is_dir():
        meant = f"'local-dir:{name}' (open_clip's layout), 'transformers:{name}' or 'timm:{name}'"
        if own := prefix_of(path):
            meant = repr(f"{own}{name}")
        return f"{name!r} is a folder, expected the name of a backbone. Did you mean {meant}?"
    if path.is_file():
        return (
            f"{name!r} is a file, expected the name of a backbone. Weights in a file are named "
            f"behind their arch: ARCH:{name}"
        )
    near = did_you_mean(name, [*ENTRIES, *archs()])
    if not near and re.fullmatch(r"[\w.-]+/[\w.-]+", name):
        near = f" Did you mean 'hf-hub:{name}' or 'transformers:{name}'?"
    return f"no backbone is called {name!r}.{near} {_LISTED} {FULL_NAMES}"


def unknown_arch(arch: str) -> str:
    """Say that open_clip has no such arch."""
    if arch in ENTRIES and (entry := ENTRIES[arch]).arch:
        tag = f" with pretrained={entry.pretrained!r}" if entry.pretrained else ""
        return (
            f"arch {arch!r} is a short name: take --backbone {arch}, or in a config "
            f"arch={entry.arch!r}{tag}"
        )
    if Path(arch).expanduser().is_dir():
        if (own := prefix_of(Path(arch).expanduser())) not in (None, "local-dir:"):
            return f"arch {arch!r} is a folder of another library: take --backbone {own}{arch}"
        return f"arch {arch!r} is a folder. Did you mean 'local-dir:{arch}'?"
    if Path(arch).expanduser().is_file():
        return (
            f"arch {arch!r} is a file, expected a name of open_clip's models. A weights file is "
            f"given by pretrained={arch!r} beside its arch"
        )
    return (
        f"arch {arch!r} is none of open_clip's models.{did_you_mean(arch, archs())} Expected a "
        "name of `open_clip.list_models()`, 'hf-hub:org/name', 'local-dir:folder', or any name "
        "together with model_config."
    )


def no_tag(arch: str, tag: str) -> str:
    """Say that an arch has no published weights of a name."""
    others = [one for one, tags in published().items() if tag.lower().replace("-", "_") in tags]
    others.sort(key=lambda one: -difflib.SequenceMatcher(None, arch, one).ratio())
    elsewhere = f" It is a tag of {_some(others)}." if others else ""
    own = tags_of(arch)
    listed = f"Tags of {arch}: {', '.join(own)}" if own else f"{arch} has no published weights"
    return (
        f"pretrained {tag!r} is neither a file nor a tag of {arch}.{did_you_mean(tag, own)}"
        f"{elsewhere} {listed}"
    )


def several_tags(arch: str, tags: Sequence[str]) -> str:
    """Say that an arch alone does not say which weights."""
    if not tags:
        return (
            f"{arch} has no published weights: give a file, ARCH:FILE, or random weights, "
            "--cfg-options model.backbone.pretrained=None"
        )
    return (
        f"{arch} has {count(len(tags), 'set')} of published weights, name one, such as "
        f"{arch}:{tags[0]}. Tags: {', '.join(tags)}"
    )


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - _MOST} others" if len(names) > _MOST else ""
    return ", ".join(names[:_MOST]) + more


def _plain(name: str) -> str:
    return re.sub(r"[-_/. ]", "", name).lower()
