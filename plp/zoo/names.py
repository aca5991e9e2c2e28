"""What a backbone's name means: a short name of the table, or a full name."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from plp.errors import ConfigError, WeightsError
from plp.zoo.entry import STREAMS, backbone_config
from plp.zoo.folders import model_folder
from plp.zoo.mistakes import no_tag, several_tags, unknown_arch, unknown_name
from plp.zoo.published import arch_config, archs, tags_of, tower_of
from plp.zoo.table import ENTRIES

HUB, FOLDER, TRANSFORMERS, TIMM = "hf-hub:", "local-dir:", "transformers:", "timm:"
PREFIXES = {
    HUB: "OpenCLIPBackbone",
    FOLDER: "OpenCLIPBackbone",
    TRANSFORMERS: "TransformersBackbone",
    TIMM: "ImageOnlyBackbone",
}
# What `pretrained` of a class is where a config leaves it out.
_DEFAULTS = {"OpenCLIPBackbone": "openai", "ImageOnlyBackbone": "published"}
WEIGHTS_SUFFIXES = (".pt", ".pth", ".bin", ".safetensors", ".ckpt")
_REPOSITORY = re.compile(r"\w[\w.-]*/\w[\w.-]*(@[\w.-]+)?")


class Named(NamedTuple):
    """The backbone that a name means.

    Attributes:
        label: Short name where there is one, else the full name.
        config: `model.backbone` of a config.
        streams: Dense streams of its image tower; () where only its files say it.
    """

    label: str
    config: dict[str, Any]
    streams: tuple[str, ...] = ()


def find_backbone(name: str, weights: str | None = "") -> Named:
    """Return the backbone that a name means.

    Args:
        name: A short name; 'ARCH:TAG' or 'ARCH' of open_clip, 'ARCH:FILE' for weights of your own;
            'hf-hub:ORG/NAME' and 'local-dir:FOLDER' for open_clip's layout; 'transformers:ORG/NAME'
            or 'transformers:FOLDER'; 'timm:NAME' for images alone.
        weights: What `--cfg-options model.backbone.pretrained=` gives beside the name: a file, or
            None for random weights; '' if nothing does. An arch then needs no tag.

    Raises:
        ConfigError: for a name that means nothing, with the nearest ones.
        WeightsError: for a tag of another arch, or a folder that holds no model.

    Example:
        >>> find_backbone('siglip-b16').config
        {'type': 'OpenCLIPBackbone', 'arch': 'ViT-B-16-SigLIP', 'pretrained': 'webli'}
        >>> find_backbone('ViT-B-16:openai').label
        'vit-b16'
    """
    config = _with_weights(name, _named(name, weights), weights)
    if name in ENTRIES:
        streams = ENTRIES[name].streams
    elif config["type"] == "OpenCLIPBackbone" and config["arch"] in archs():
        streams = STREAMS[tower_of(arch_config(config["arch"]))]
    else:
        streams = _streams_of(config)
    return Named(label_of(config), config, streams)


def _named(name: str, weights: str | None) -> dict[str, Any]:
    """Return the config that a name means by itself."""
    if entry := ENTRIES.get(name):
        return entry.config
    for prefix, kind in PREFIXES.items():
        if name.startswith(prefix):
            return backbone_config(kind, prefix + _place(name, prefix), None)
    arch, colon, tag = name.partition(":") if "://" not in name else (name, "", "")
    arch = arch.replace("/", "-") if arch not in archs() else arch
    if arch not in archs():
        raise ConfigError(unknown_arch(arch) if colon else unknown_name(name))
    own = _weights(arch, tag, bool(colon), weights)
    return backbone_config("OpenCLIPBackbone", arch, own)


def _with_weights(name: str, config: dict[str, Any], weights: str | None) -> dict[str, Any]:
    """Return a config with the weights that are given beside its name."""
    stated = config.get("pretrained", _DEFAULTS.get(config["type"]))
    if weights == "" or ("pretrained" in config and weights == stated):
        return config
    if config["type"] not in _DEFAULTS:
        raise ConfigError(
            f"--backbone {name} brings its own weights, model.backbone.pretrained has no meaning "
            "for it: leave one out"
        )
    tags = tags_of(config["arch"])
    if "pretrained" in config and stated is not None and (stated not in tags or weights in tags):
        raise ConfigError(
            f"--backbone {name} says which weights ({stated}), --cfg-options "
            f"model.backbone.pretrained others ({weights}): leave one out"
        )
    return {**config, "pretrained": weights}


def label_of(backbone: Any) -> str:
    """Return what a backbone of a config is called: its short name, else its full name, or ''.

    Example:
        >>> label_of({'type': 'OpenCLIPBackbone', 'arch': 'RN50', 'pretrained': 'openai'})
        'rn50'
        >>> label_of({'type': 'OpenCLIPBackbone', 'arch': 'RN50', 'pretrained': 'my/weights.pt'})
        'RN50:weights.pt'
        >>> label_of({'type': 'OpenCLIPBackbone', 'arch': 'local-dir:/my/model',
        ...           'pretrained': None})
        'local-dir:model'
        >>> label_of({'type': 'ImageOnlyBackbone', 'arch': 'timm:resnet18', 'pretrained': None})
        'timm:resnet18:random'
    """
    if not isinstance(backbone, Mapping):
        return ""
    kind, arch = _kind_of(backbone), _arch_of(backbone)
    if kind not in {*PREFIXES.values(), "LiteBackbone"}:  # a class of the user's own
        return arch or kind
    weights = backbone.get("pretrained", _DEFAULTS.get(kind))
    if backbone.get("model_config") is None:
        for entry in ENTRIES.values():
            own = entry.config.get("pretrained", _DEFAULTS.get(kind))
            if (entry.type, entry.arch, own) == (kind, arch, weights):
                return entry.name
    prefix, colon, place = arch.partition(":")
    arch = f"{prefix}:{Path(place).name}" if colon and Path(place).is_absolute() else arch
    brings_its_own = weights is None and (kind not in _DEFAULTS or arch.startswith((HUB, FOLDER)))
    if brings_its_own or weights == _DEFAULTS["ImageOnlyBackbone"]:
        return arch or kind
    return f"{arch}:{'random' if weights is None else Path(str(weights)).name}"


def _kind_of(backbone: Mapping[str, Any]) -> str:
    """Return the name of a backbone's class, which a config may also give itself."""
    kind = backbone.get("type") or ""
    return kind.__name__ if isinstance(kind, type) else str(kind)


def _arch_of(backbone: Mapping[str, Any]) -> str:
    """Return arch, repository or folder of a backbone, as the table has it."""
    kind, arch = _kind_of(backbone), str(backbone.get("arch") or "")
    if kind == "OpenCLIPBackbone":
        return arch or "ViT-B-16"
    if kind == "TransformersBackbone":
        return f"{TRANSFORMERS}{backbone.get('name_or_folder') or ''}"
    if kind == "ImageOnlyBackbone":
        arch = arch or "timm:vit_small_patch14_dinov2.lvd142m"
        return arch if arch.startswith((TIMM, HUB, FOLDER)) else f"{TIMM}{arch}"
    return arch


def _weights(arch: str, tag: str, given: bool, beside: str | None) -> str | None:
    """Return the tag or the file that goes with an arch."""
    if is_file_name(tag):
        return str(Path(tag).expanduser().absolute())
    if given:
        plain = tag.lower().replace("-", "_")  # as open_clip takes it
        if plain not in tags_of(arch):
            raise WeightsError(no_tag(arch, tag))
        return plain
    if beside != "":
        return beside
    tags = tags_of(arch)
    if len(tags) != 1:
        raise ConfigError(several_tags(arch, tags))
    return tags[0]


def is_file_name(text: str) -> bool:
    """Whether a text names a file of weights, rather than a tag.

    Example:
        >>> is_file_name('openai'), is_file_name('ViT-B-16.pt'), is_file_name('weights/mine')
        (False, True, True)
    """
    return "/" in text or Path(text).suffix in WEIGHTS_SUFFIXES


def _place(name: str, prefix: str) -> str:
    """Return what follows a prefix: a folder that is there, or what may be a repository."""
    place = name.removeprefix(prefix)
    if not place:
        what = "FOLDER" if prefix == FOLDER else "ORG/NAME"
        raise ConfigError(f"{name!r}: expected a name behind it, such as {prefix}{what}")
    path = Path(place).expanduser()
    if prefix == FOLDER or (prefix != HUB and path.is_dir()):
        return str(model_folder(path, prefix).absolute())
    return place if prefix == TIMM and "/" not in place else repository(name, prefix)


def repository(name: str, prefix: str) -> str:
    """Return the repository behind a prefix.

    Raises:
        ConfigError: if it cannot be one.
    """
    place = name.removeprefix(prefix)
    if _REPOSITORY.fullmatch(place):
        return place
    other = "" if prefix == HUB else " or a folder that is there"
    gone = "" if prefix == HUB or "/" not in place else ", and no such folder is here"
    folder = f" Did you mean 'local-dir:{place}'?" if Path(place).expanduser().is_dir() else ""
    raise ConfigError(
        f"{name!r}: expected {prefix}ORG/NAME of the hub{other}, got {place!r}{gone}.{folder}"
    )


def _streams_of(config: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the streams of a backbone named by a prefix, where its name says enough."""
    name = str(config.get("arch"))
    if not name.startswith(TIMM) or "/" in name:
        return ()
    return STREAMS[tower_of({"vision_cfg": {"timm_model_name": name.removeprefix(TIMM)}})]
