"""Turn the names a user gives (arch, pretrained) into a model config and a weights file."""

import json
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

import open_clip
from open_clip.factory import get_model_config
from open_clip.pretrained import get_pretrained_cfg
from open_clip.transform import PreprocessCfg, merge_preprocess_dict

from plp.backbones._openclip_hub import CONFIG_FILE, hub_file, tag_file
from plp.backbones._quick_gelu import Activation, check_activation
from plp.errors import ConfigError, WeightsError
from plp.transforms.preprocessing import Preprocessing, read_channels
from plp.transforms.size import Size
from plp.zoo.cached import WEIGHT_FILES
from plp.zoo.check import builtin, check_arch, check_weights
from plp.zoo.names import FOLDER, HUB, WEIGHTS_SUFFIXES


class ModelSpec(NamedTuple):
    """What is to be built.

    Attributes:
        config: open_clip's model config: embed_dim, vision_cfg, text_cfg, quick_gelu, ...
        preprocess: mean, std, interpolation, ... as open_clip states them.
        weights: The weights file; None for random weights.
        source: What the weights are called in messages.
        activation: What is known of the activation the weights were trained with.
    """

    config: dict[str, Any]
    preprocess: dict[str, Any]
    weights: Path | None
    source: str
    activation: Activation


def resolve(
    arch: str,
    pretrained: str | None,
    quick_gelu: bool | None,
    model_config: Mapping[str, Any] | None,
    cache_dir: str | None,
) -> ModelSpec:
    """Find the model config and the weights; downloads what is in no cache.

    Raises:
        ConfigError: for an unknown arch, an incomplete model config, or a `quick_gelu` that the
            weights contradict.
        WeightsError: for unknown or unreachable weights.
    """
    spec = _architecture(arch, model_config, cache_dir, bring_weights=pretrained is None)
    if pretrained is None:
        free = spec.weights is None and quick_gelu is not None  # random weights go with either
        return spec._replace(activation=Activation()) if free else spec
    tag = get_pretrained_cfg(builtin(arch), pretrained) if model_config is None else {}
    if tag:
        source = f"{pretrained!r} of {arch}"
        quick = bool(tag.get("quick_gelu")) or bool(spec.config.get("quick_gelu"))
        activation = Activation(quick, "open_clip's entry of the tag says so")
        check_activation(quick_gelu, activation, source)  # before a download that would be in vain
        return spec._replace(
            preprocess=merge_preprocess_dict(spec.preprocess, tag),
            weights=tag_file(tag, f"the weights {source}", cache_dir),
            source=source,
            activation=activation,
        )
    check_weights(arch, pretrained, published=model_config is None)
    if pretrained.startswith(HUB):
        return _hub_weights(spec, pretrained, cache_dir)
    path = Path(pretrained).expanduser()
    published = [] if model_config is not None else _tags(builtin(arch))
    spec = spec._replace(
        weights=path, source=str(path), activation=_arch_activation(arch, spec.config, published)
    )
    return _with_side_config(spec, path.parent / CONFIG_FILE)


def may_have_bias(arch: str, model_config: Mapping[str, Any] | None) -> bool:
    """Return whether a model has a logit bias; True where its config is yet to be fetched.

    Example:
        >>> may_have_bias("ViT-B-16", None), may_have_bias("ViT-B-16-SigLIP", None)
        (False, True)
    """
    stated = model_config
    if stated is None and isinstance(arch, str) and not arch.startswith((HUB, FOLDER)):
        stated = get_model_config(builtin(arch))
    return not isinstance(stated, Mapping) or "init_logit_bias" in stated


def preprocessing_of(stated: Mapping[str, Any], size: Size) -> Preprocessing:
    """Return open_clip's preprocessing in plp's terms.

    Args:
        stated: mean, std, interpolation, resize_mode and fill_color. The size in it is not read:
            open_clip replaces it by the tower's.
        size: Height and width of the tower's input.

    Raises:
        ConfigError: for an entry that open_clip would refuse too.
    """
    interpolation: Any = stated.get("interpolation") or "bicubic"
    return Preprocessing(
        size=size,
        mean=read_channels("mean", stated["mean"]),
        std=read_channels("std", stated["std"]),
        resize_mode=stated.get("resize_mode") or "shortest",
        interpolation="bicubic" if interpolation == "random" else interpolation,  # of training
        fill_color=stated.get("fill_color") or 0,
    )


def _architecture(
    arch: str, model_config: Mapping[str, Any] | None, cache_dir: str | None, bring_weights: bool
) -> ModelSpec:
    if model_config is not None:
        config = _plain(model_config)
        _check_config(config, "model_config")
        return _random(config, arch, asdict(PreprocessCfg()))
    known = None if arch.startswith((HUB, FOLDER)) else get_model_config(builtin(arch))
    if known is not None:
        return _random(known, arch, _usual_preprocess(builtin(arch)))
    check_arch(arch)
    if arch.startswith(HUB):
        repo = arch.removeprefix(HUB)
        what = f"the model {arch}"
        stated = _read_json(hub_file(repo, (CONFIG_FILE,), what, cache_dir))
        weights = hub_file(repo, WEIGHT_FILES, what, cache_dir) if bring_weights else None
        return _stated(stated, arch, weights)
    folder = Path(arch.removeprefix(FOLDER)).expanduser()
    weights = _weights_in(folder) if bring_weights else None
    return _stated(_read_json(folder / CONFIG_FILE), arch, weights)


def _random(config: dict[str, Any], arch: str, preprocess: dict[str, Any]) -> ModelSpec:
    """Return the spec of a seeded random model, whose activation is whatever its config says."""
    quick = bool(config.get("quick_gelu", False))
    because = f"the model config of {arch} " + ("says so" if quick else "names no other")
    activation = Activation(quick, because)
    return ModelSpec(config, preprocess, None, f"random weights of {arch}", activation)


def _arch_activation(
    arch: str, config: Mapping[str, Any], published: list[Mapping[str, Any]]
) -> Activation:
    """Return what an arch tells of weights in a file of unknown origin."""
    if "quick_gelu" in config:
        return Activation(bool(config["quick_gelu"]), f"the model config of {arch} says so")
    if published and not any(tag.get("quick_gelu") for tag in published):
        return Activation(False, f"no published weights of {arch} use QuickGELU")
    return Activation()  # the same arch is published with either


def _stated(stated: Mapping[str, Any], arch: str, weights: Path | None) -> ModelSpec:
    """Return the spec that an open_clip_config.json states."""
    config: Any = stated.get("model_cfg")
    _check_config(config, f"{CONFIG_FILE} of {arch}")
    spec = _random(deepcopy(config), arch, asdict(PreprocessCfg()))
    preprocess = merge_preprocess_dict(spec.preprocess, stated.get("preprocess_cfg") or {})
    return spec._replace(preprocess=preprocess, weights=weights, source=arch)


def _hub_weights(spec: ModelSpec, pretrained: str, cache_dir: str | None) -> ModelSpec:
    repo = pretrained.removeprefix(HUB)
    weights = hub_file(repo, WEIGHT_FILES, f"the weights {pretrained}", cache_dir)
    side = hub_file(repo, (CONFIG_FILE,), f"the config of {pretrained}", cache_dir)
    return _with_side_config(spec._replace(weights=weights, source=pretrained), side)


def _with_side_config(spec: ModelSpec, side: Path) -> ModelSpec:
    """Take activation and preprocessing from the open_clip_config.json beside a weights file."""
    if not side.is_file():
        return spec
    stated = _read_json(side)
    quick = bool((stated.get("model_cfg") or {}).get("quick_gelu", False))
    return spec._replace(
        preprocess=merge_preprocess_dict(spec.preprocess, stated.get("preprocess_cfg") or {}),
        activation=Activation(quick, f"the {CONFIG_FILE} of the weights says so"),
    )


def _tags(arch: str) -> list[Mapping[str, Any]]:
    names = open_clip.list_pretrained_tags_by_model(arch)
    return [get_pretrained_cfg(arch, name) for name in names]


def _usual_preprocess(arch: str) -> dict[str, Any]:
    """Return the preprocessing that the published weights of an arch agree on, or CLIP's."""
    usual = asdict(PreprocessCfg())
    for key in ("mean", "std", "interpolation", "resize_mode", "fill_color"):
        values = {tag[key] for tag in _tags(arch) if key in tag}
        if len(values) == 1:
            usual[key] = values.pop()
    return usual


def _weights_in(folder: Path) -> Path:
    names = (*WEIGHT_FILES, "open_clip_pytorch_model.safetensors", "open_clip_pytorch_model.pth")
    found = [folder / name for name in names if (folder / name).is_file()]
    found = found or sorted(p for p in folder.iterdir() if p.suffix in WEIGHTS_SUFFIXES)
    if not found:
        raise WeightsError(f"{folder} holds {CONFIG_FILE} but no weights file.")
    return found[0]


def _read_json(path: Path) -> dict[str, Any]:
    try:
        stated = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise WeightsError(f"{path} cannot be read as JSON: {error}.") from error
    if not isinstance(stated, dict):
        raise WeightsError(f"{path}: expected a JSON object, got a {type(stated).__name__}.")
    for key in ("model_cfg", "preprocess_cfg"):
        if not isinstance(stated.get(key) or {}, dict):
            raise WeightsError(f"{path}: expected {key!r} to be an object, got {stated[key]!r}.")
    return stated


def _check_config(config: Any, name: str) -> None:
    needed = ("embed_dim", "vision_cfg", "text_cfg")
    if not isinstance(config, Mapping) or any(key not in config for key in needed):
        raise ConfigError(
            f"{name}: expected an open_clip model config with the keys {', '.join(needed)}, "
            f"got {sorted(config) if isinstance(config, Mapping) else config!r}."
        )


def _plain(config: Any) -> Any:
    """Copy a config into plain dicts and lists (mmengine's raise on a missing key)."""
    if isinstance(config, Mapping):
        return {key: _plain(value) for key, value in config.items()}
    return [_plain(value) for value in config] if isinstance(config, list | tuple) else config
