"""What `--backbone NAME` changes in a config: the backbone, and streams that it does not have."""

import hashlib
import os
import re
from collections.abc import Iterator, Mapping
from typing import Any

from mmengine.config import Config, ConfigDict

from plp.config.backbone_files import check_files
from plp.config.choices import Choices
from plp.errors import ConfigError
from plp.zoo.check import check_backbone
from plp.zoo.names import Named, find_backbone, label_of

_KEY = "model.backbone"
# Settings of plp's own that the method or the machine chose, not the model: they stay.
_KEPT = ("alias_first_block", "compile_vision", "cache_dir")
_LAST_MAP = ("tokens", "grid")  # what every tower has, and its name on lite


def named_backbone(config: Config, choices: Choices) -> Named | None:
    """Return the backbone that takes the place of a config's own; None if its own stays.

    Args:
        config: As it was loaded.
        choices: What differs from it. Weights of `--cfg-options` beside `--backbone` count.

    Raises:
        ConfigError: for an unknown name, or options that name another backbone.
        WeightsError: for weights that are not of the arch.

    Example:
        >>> config = Config(dict(model=dict(backbone=dict(type='LiteBackbone'))))
        >>> named_backbone(config, Choices(backbone='RN50:openai')).label
        'rn50'
        >>> named_backbone(config, Choices(backbone='lite'))
    """
    if choices.backbone is None:
        return None
    options = choices.entries()
    named = find_backbone(choices.backbone, weights=options.get(f"{_KEY}.pretrained", ""))
    _check_options(choices.backbone, named, options)
    return None if _is_same(config.model.get("backbone"), named.config) else named


def put_backbone(config: Config, choices: Choices) -> None:
    """Put the named backbone into a config, in place of its own; all else stays.

    A branch that looks at a stream the backbone does not have looks at the last map instead
    ('tokens', on lite 'grid'), unless `--cfg-options` says which.

    Args:
        config: Changed in place.
        choices: What differs from it; `--cfg-options` are applied afterwards.

    Raises:
        PlpError: see `named_backbone`.
    """
    named = named_backbone(config, choices)
    if named is None:
        return
    changes = dict(_streams(config, named, choices))
    own = config.model.get("backbone")
    takes = isinstance(own, Mapping) and named.config["type"] == own.get("type")
    kept = {key: own[key] for key in _KEPT if key in own} if takes else {}
    config.model.backbone = ConfigDict({**named.config, **kept})
    for key, branch in _branches(config):
        branch["stream"] = changes.get(key, branch["stream"])


def backbone_notes(config: Config, choices: Choices) -> tuple[str, ...]:
    """Say what a reader must know where a backbone takes the place of a config's own.

    Args:
        config: As it was loaded.
        choices: What differs from it.
    """
    named = named_backbone(config, choices)
    if named is None:
        return ()
    own = label_of(config.model.get("backbone")) or "its own"
    flag = f"--backbone {_whole_name(named)}"
    told = [f"{flag}: the other settings are the config's, which were chosen for {own}"]
    before = dict(_branches(config))
    changed = [
        f"{key} looks at {stream!r} in place of {before[key]['stream']!r}"
        for key, stream in _streams(config, named, choices)
    ]
    if changed:
        told.append(f"{flag} lacks a stream: {', '.join(changed)}")
    return tuple(told)


def _whole_name(named: Named) -> str:
    """Return the label of a backbone; of a folder its whole path, for others may be called so."""
    for key in ("arch", "name_or_folder"):
        place = str(named.config.get(key) or "")
        prefix, _, path = place.rpartition(":")
        if os.path.isabs(path):
            own = prefix or named.label.partition(":")[0]
            return f"{own}:{path}"
    return named.label


def folder_part(named: Named | None) -> str:
    """Return what stands behind a config's name in the folder of a run; '' for the config's own.

    Example:
        >>> folder_part(find_backbone('siglip2-b16')), folder_part(None)
        ('@siglip2-b16', '')
        >>> folder_part(find_backbone('ViT-B-16:laion400m_e32'))
        '@ViT-B-16_laion400m_e32'
        >>> folder_part(find_backbone('hf-hub:some/model'))
        '@hf-hub_some_model-e2bb0f'
    """
    if named is None:
        return ""
    plain = re.sub(r"[^\w.-]+", "_", named.label)
    places = (named.config.get(key) for key in ("pretrained", "arch", "name_or_folder"))
    place = str(next(filter(None, places), ""))
    if "/" in place:  # another place may have a name that looks alike
        plain = f"{plain}-{hashlib.sha256(place.encode()).hexdigest()[:6]}"
    return f"@{plain}"


def check_named_backbone(config: Config) -> None:
    """Refuse arch and weights that mean nothing, or do not fit, wherever they were written.

    Raises:
        PlpError: with the nearest names.
    """
    backbone = config.model.get("backbone") if isinstance(config.model, Mapping) else None
    check_backbone(backbone)
    check_files(backbone)


def _check_options(name: str, named: Named, options: Mapping[str, Any]) -> None:
    """Refuse options beside `--backbone` that name another backbone."""
    for key, value in options.items():
        part = key.removeprefix(f"{_KEY}.")
        whole = key in (_KEY, "model") or part.startswith("model_config")
        if whole or (part in ("type", "arch") and value != named.config.get(part)):
            raise ConfigError(
                f"--backbone {name} says which backbone, --cfg-options {key} another: leave one out"
            )


def _is_same(own: Any, wanted: Mapping[str, Any]) -> bool:
    """Whether a config's own backbone is the one wanted."""
    if not isinstance(own, Mapping) or own.get("model_config") is not None:
        return False
    stated = {"arch": "ViT-B-16", "pretrained": "openai", **own}
    return all(stated.get(key) == value for key, value in wanted.items())


def _streams(config: Config, named: Named, choices: Choices) -> Iterator[tuple[str, str]]:
    """Yield the streams to look at in place of those that a backbone does not have."""
    options = choices.options or {}
    for key, branch in _branches(config):
        stream = branch["stream"]
        lacks = stream not in named.streams if named.streams else stream == "grid"
        if lacks and f"{key}.stream" not in options:
            yield key, next(one for one in _LAST_MAP if one in (named.streams or _LAST_MAP))


def _branches(config: Config) -> Iterator[tuple[str, Any]]:
    """Yield the branches and references that look at a stream, by dotted key."""
    for part in ("branches", "references"):
        section = config.model.get(part) or {}
        for name, branch in section.items() if isinstance(section, Mapping) else ():
            if isinstance(branch, Mapping) and isinstance(branch.get("stream"), str):
                yield f"model.{part}.{name}", branch
