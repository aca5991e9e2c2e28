"""Whether the streams that a config's branches look at can be, before anything is built."""

from collections.abc import Iterator, Mapping
from typing import Any

from plp.errors import ConfigError, did_you_mean
from plp.zoo.entry import STREAMS
from plp.zoo.names import TIMM, label_of
from plp.zoo.published import arch_config, archs, tower_of
from plp.zoo.table import ENTRIES


def known_streams(backbone: Any) -> tuple[str, ...]:
    """Return the dense streams of a config's backbone; () where only its files or its class say.

    Example:
        >>> known_streams(dict(type="OpenCLIPBackbone", arch="RN50", pretrained="openai"))
        ('tokens', 'value')
        >>> known_streams(dict(type="TransformersBackbone", name_or_folder="some/model"))
        ()
    """
    if not isinstance(backbone, Mapping):
        return ()
    kind, own = backbone.get("type"), backbone.get("model_config")
    if kind == "LiteBackbone":
        return STREAMS["lite"]
    if kind == "OpenCLIPBackbone" and isinstance(own, Mapping):
        return STREAMS[tower_of(own)]
    if own is not None:
        return ()
    if entry := ENTRIES.get(label_of(backbone)):
        return entry.streams
    arch = str(backbone.get("arch", "ViT-B-16"))
    if kind == "OpenCLIPBackbone":
        arch = arch.replace("/", "-")
        return STREAMS[tower_of(arch_config(arch))] if arch in archs() else ()
    if kind == "ImageOnlyBackbone" and "/" not in arch:
        tower = tower_of({"vision_cfg": {"timm_model_name": arch.removeprefix(TIMM)}})
        return STREAMS[tower] if tower == "transformer" else ()  # else timm's name says too little
    return ()


def check_model_streams(model: Mapping[str, Any]) -> None:
    """Refuse a branch of the `model` section of a config that looks at a stream its backbone lacks.

    Raises:
        ConfigError: naming the branch, the streams there are, and the nearest.
    """
    streams = known_streams(model.get("backbone"))
    for key, stream in _looked_at(model) if streams else ():
        if stream not in streams:
            label, has = label_of(model["backbone"]), ", ".join(map(repr, streams))
            raise ConfigError(
                f"{key} asks for a dense stream: {label} has no dense stream {stream!r}."
                f"{did_you_mean(stream, streams)} Its dense streams: {has}. Set {key}.stream to one"
            )


def _looked_at(model: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield dotted keys of branches and references, with the stream that each looks at."""
    for part in ("branches", "references"):
        section = model.get(part)
        for name, branch in section.items() if isinstance(section, Mapping) else ():
            if isinstance(branch, Mapping) and isinstance(branch.get("stream"), str):
                yield f"model.{part}.{name}", branch["stream"]
