"""What a name or a folder says of a timm model: architecture, keywords, weights, preprocessing."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import timm
from timm.models import get_pretrained_cfg, list_pretrained
from timm.models._registry import split_model_name_tag

from plp.backbones._openclip_hub import hub_file
from plp.backbones._timm_folder import (
    CONFIG_FILE,
    HUB,
    TIMM,
    WEIGHTS_FILE,
    TimmSource,
    check_name,
    of_folder,
    read_config,
    weights_in,
    without_places,
)
from plp.errors import ConfigError, WeightsError, did_you_mean

_REPOSITORY = re.compile(r"\w[\w.-]*/\w[\w.-]*")
PUBLISHED = "published"

_WAYS_OUT = (
    "Give the weights as a file (pretrained=FILE.safetensors), or a folder with timm's config.json "
    "and model.safetensors (arch=FOLDER); or pretrained=None for seeded random weights"
)


def find_source(arch: str, pretrained: str | None, cache_dir: str | None) -> TimmSource:
    """Find architecture and weights; downloads what is in no cache, builds nothing.

    Args:
        arch: 'timm:NAME' or 'timm:NAME.TAG', 'hf-hub:org/name', or a folder; the latter two also
            behind 'timm:', as `--backbone` writes them.
        pretrained: 'published', a file of safetensors or the folder it is in, or None.
        cache_dir: Where downloads are stored and looked for; None for the hub's usual cache.

    Raises:
        ConfigError: for a name that timm does not know, with the nearest ones, or a folder whose
            config.json is not timm's.
        WeightsError: for weights that are missing, out of reach, or pickled.
    """
    given, arch = arch, _meant(arch)
    place = given.removeprefix(TIMM)
    if arch.startswith(TIMM):
        source = _named(place, pretrained == PUBLISHED, cache_dir)
    elif arch.startswith(HUB):
        taken = f" (no folder {place!r} is here: {given!r} was taken for a repository of the hub)"
        label = arch + (taken if arch != given else "")
        source = _of_hub(arch, label, pretrained == PUBLISHED, cache_dir)
    else:
        source = of_folder(arch, pretrained == PUBLISHED)
    if pretrained in (None, PUBLISHED):
        return source
    return source._replace(weights=_checked_file(Path(str(pretrained)).expanduser()))


def check_source(arch: str, pretrained: str | None) -> None:
    """Refuse what `find_source` would refuse without a network and a cache; loads nothing.

    Args:
        arch: As for `find_source`.
        pretrained: Likewise.

    Raises:
        PlpError: see `find_source`.
    """
    meant = _meant(arch)
    if meant.startswith(TIMM):
        _named(arch.removeprefix(TIMM), False, None)
    elif not meant.startswith(HUB):
        of_folder(meant, pretrained == PUBLISHED)
    if pretrained not in (None, PUBLISHED):
        _checked_file(Path(str(pretrained)).expanduser())


def _meant(arch: str) -> str:
    """Return what stands behind 'timm:': a name with it, a folder, or a repository with 'hf-hub:'.

    Raises:
        ConfigError: if nothing does.
    """
    place = arch.removeprefix(TIMM)
    if not place:
        raise ConfigError(f"arch: expected '{TIMM}NAME', '{TIMM}ORG/NAME' or '{TIMM}FOLDER', got "
                          f"{arch!r}")  # fmt: skip
    if place == arch or is_timm_name(arch):
        return arch
    if not Path(place).expanduser().is_dir() and _REPOSITORY.fullmatch(place):
        return HUB + place
    return place if "/" in place or Path(place).expanduser().is_dir() else arch


def is_timm_name(arch: str) -> bool:
    """Whether a name is of timm's own table: neither a folder nor a repository.

    Example:
        >>> is_timm_name('timm:resnet18.a1_in1k'), is_timm_name('timm:org/name')
        (True, False)
    """
    plain, _ = split_model_name_tag(arch.removeprefix(TIMM))
    return arch.startswith(TIMM) and "/" not in plain and timm.is_model(plain)


def _named(name: str, published: bool, cache_dir: str | None) -> TimmSource:
    plain, tag = split_model_name_tag(name)
    check_name(plain)
    tags = [one.partition(".")[2] for one in list_pretrained(f"{plain}.*")]
    if tag and tag not in tags:
        raise ConfigError(
            f"timm has no weights {tag!r} of {plain}.{did_you_mean(tag, tags)} Its tags: "
            f"{', '.join(tags) or 'none'}"
        )
    cfg = get_pretrained_cfg(name)
    entries = {} if cfg is None else cfg.to_dict()
    label = f"{TIMM}{name}"
    weights = _published(entries, label, cache_dir) if published else None
    return TimmSource(plain, without_places(entries), {}, weights, label)


def _published(cfg: Mapping[str, Any], label: str, cache_dir: str | None) -> Path:
    """Return the file that timm publishes under a name.

    Raises:
        WeightsError: if there is none, none of safetensors, or it is out of reach.
    """
    if not (repository := cfg.get("hf_hub_id")):
        there = cfg.get("url")
        why = f"only as {there}, which is pickled" if there else "no weights"
        raise WeightsError(
            f"timm publishes {why} under the name {label}; expected a file of safetensors on the "
            f"hub. {_WAYS_OUT}"
        )
    named = str(cfg.get("hf_hub_filename") or WEIGHTS_FILE)
    return _fetch(repository, Path(named).stem + ".safetensors", f"the weights {label}", cache_dir)


def _of_hub(arch: str, label: str, published: bool, cache_dir: str | None) -> TimmSource:
    repository = arch.removeprefix(HUB)
    stated = _fetch(repository, CONFIG_FILE, f"the model {label}", cache_dir)
    weights = None
    if published:
        weights = _fetch(repository, WEIGHTS_FILE, f"the weights {label}", cache_dir)
    return read_config(stated, weights, arch)


def _checked_file(path: Path) -> Path:
    if path.is_dir():
        return weights_in(path)
    if path.suffix != ".safetensors":
        raise WeightsError(
            f"pretrained: expected '{PUBLISHED}', a file of safetensors, or None, got {str(path)!r}"
        )
    if not path.is_file():
        raise WeightsError(f"the weights file {path} does not exist")
    return path


def _fetch(repository: str, name: str, what: str, cache_dir: str | None) -> Path:
    try:
        return hub_file(repository, (name,), what, cache_dir)
    except WeightsError as error:
        raise WeightsError(f"{str(error).partition(chr(10))[0]} {_WAYS_OUT}") from error
