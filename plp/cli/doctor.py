"""Say what plp finds on this machine: `plp doctor`."""

import os
import platform
from collections.abc import Callable, Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path

import open_clip
import torch
from huggingface_hub import constants

from plp.backbones._lite_weights import find_lite_files
from plp.backbones._openclip_hub import cached_tag, require_network
from plp.cli.flags.doctor import parser
from plp.datasets import Splits, build_source, source_names
from plp.errors import PlpError, describe_os_error
from plp.features.cache import cache_folder
from plp.package import git_commit, versions
from plp.zoo import ENTRIES
from plp.zoo.cached import weights_here

_OPTIONAL = {
    "matplotlib": "figures",
    "transformers": "lite, TransformersBackbone, and tokenizers such as those of SigLIP",
    "tokenizers": "tokenizers of transformers, such as those of SigLIP and BERT",
    "sentencepiece": "SigLIP's own tokenizer, and those without tokenizer.json (some of T5, XLM-V)",
    "onnxruntime": "export",
}


def main(argv: Sequence[str] | None = None) -> None:
    """Parse flags, look around, print."""
    arguments = parser().parse_args(argv)
    root = arguments.data_root
    sections: dict[str, Callable[[], Iterator[str]]] = {
        "versions": version_lines,
        "devices": device_lines,
        "networks": lambda: network_lines(arguments.hub),
        "datasets": lambda: data_lines(root),
        "caches": cache_lines,
    }
    print("\n\n".join(section(name, look) for name, look in sections.items()))


def section(name: str, look: Callable[[], Iterator[str]]) -> str:
    """Return a section; what goes wrong while looking is a line of it.

    Example:
        >>> def look():
        ...     yield 'fine'
        ...     raise OSError('no such device')
        >>> print(section('devices', look))
        devices
          fine
          cannot be looked up: no such device
    """
    lines: list[str] = []
    try:
        lines += look()  # extends as it goes: what was found before an error stays
    except OSError as error:
        lines.append(f"cannot be looked up: {describe_os_error(error)}")
    except Exception as error:  # drivers, file systems and packages raise whatever they like
        reason = str(error).partition("\n")[0]
        lines.append(f"cannot be looked up: {type(error).__name__}: {reason}")
    return "\n".join([name, *(f"  {line}" for line in lines)])


def version_lines() -> Iterator[str]:
    """Packages that decide numbers, and optional ones."""
    yield from (f"{package} {version}" for package, version in versions().items())
    yield f"commit of plp: {git_commit() or 'unknown (not run from a git clone)'}"
    for package, purpose in _OPTIONAL.items():
        if find_spec(package) is None:
            yield f"{package} is not installed: needed for {purpose}"


def device_lines() -> Iterator[str]:
    """The CPU, and each GPU with its memory."""
    yield f"cpu: {platform.machine()}, {os.cpu_count()} cores, {torch.get_num_threads()} threads"
    count = torch.cuda.device_count()
    for index in range(count):
        name = torch.cuda.get_device_name(index)
        free, total = (size / 2**30 for size in torch.cuda.mem_get_info(index))
        yield f"cuda:{index}: {name}, {free:.1f} of {total:.1f} GiB free"
    if not count:
        yield "no CUDA device"
    if torch.backends.mps.is_available():
        yield "mps: available"


def network_lines(ask_hub: bool = False) -> Iterator[str]:
    """Backbones whose weights are here.

    Args:
        ask_hub: Whether to find out, within seconds, if the hub can be reached.
    """
    try:
        find_lite_files()
        yield "lite: its weights are installed"
    except PlpError as error:
        yield f"lite: {error}"
    found = [
        f"open_clip {arch} {tag}{_by_name(arch, tag)}"
        for arch, tag in open_clip.list_pretrained()
        if cached_tag(open_clip.get_pretrained_cfg(arch, tag))
    ]
    named = [one for one in ENTRIES.values() if one.arch and one.pretrained is None]
    found += [f"{one.full_name}{_by_name(one.arch, None)}" for one in named if weights_here(one)]
    yield from found
    if not found:
        yield "no other weights in the caches: a tag is downloaded on first use, or give a file:"
        yield "--cfg-options model.backbone.pretrained=FILE"
    yield "all backbones with a short name: `plp list --backbones`"
    if ask_hub:
        yield _hub_line()


def _by_name(arch: str, tag: str | None) -> str:
    """Return how `--backbone` names weights, where it has a short name for them."""
    for entry in ENTRIES.values():
        if (entry.arch, entry.pretrained) == (arch, tag):
            return f" (--backbone {entry.name})"
    return ""


def _hub_line() -> str:
    try:
        require_network(constants.ENDPOINT, "an answer")
    except PlpError as error:
        return f"the hub: {str(error).partition(chr(10))[0]}"
    return f"the hub: {constants.ENDPOINT} answers"


def data_lines(root: str | None) -> Iterator[str]:
    """Datasets that can be opened: those that need no folder, then those under the data root."""
    folder = None if root is None else Path(root)
    for name in source_names():
        splits = None if name in ("folder", "coop") else _opened(name, folder)
        if splits is not None:
            sizes = f"{len(splits.class_names)} classes, {len(splits.train)} images to draw from"
            yield f"--dataset {name}: {sizes}, {len(splits.test)} to test ({splits.root})"
    if folder is None:
        yield "nowhere else looked: name a folder with --data-root DIR or PLP_DATA_ROOT"
    elif not folder.is_dir():
        yield f"no such folder: {folder}"
    else:
        inside = sorted(folder.iterdir())  # which says so where it may not be read
        for split in (path for one in inside for path in sorted(one.glob("split_*.json"))):
            yield f"--dataset coop --data-root {split.parent}: {split.name}"


def _opened(name: str, folder: Path | None) -> Splits | None:
    """Return what a dataset holds, None if it is not here."""
    for root in (None, folder):
        try:
            return build_source(name, root).splits()
        except (PlpError, OSError):
            continue
    return None


def cache_lines() -> Iterator[str]:
    """Caches of plp and of the hub: where, and how large."""
    features = cache_folder(True)
    for path in (features.parent if features else None, _hub_folder()):
        if path is None:
            continue
        size = sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
        yield f"{path}: {size / 2**20:.1f} MiB" if path.is_dir() else f"{path}: nothing yet"


def _hub_folder() -> Path:
    return Path(constants.HF_HUB_CACHE)
