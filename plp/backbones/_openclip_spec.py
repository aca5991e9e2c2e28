"""Turn the names a user gives (arch, pretrained) into a model config and a weights file."""

import difflib
import json
import logging
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

import open_clip
from open_clip.factory import get_model_config
from open_clip.pretrained import get_pretrained_cfg
from open_clip.transform import PreprocessCfg, merge_preprocess_dict

from plp.backbones._openclip_hub import CONFIG_FILE, WEIGHT_FILES, hub_file, tag_file
from plp.errors import ConfigError, WeightsError

_log = logging.getLogger(__name__)

HUB = "hf-hub:"
FOLDER = "local-dir:"
_FILE_SUFFIXES = (".pt", ".pth", ".bin", ".safetensors", ".ckpt")


class ModelSpec(NamedTuple):
    """What is to be built.

    Attributes:
        config: open_clip's model config: embed_dim, vision_cfg, text_cfg, quick_gelu, ...
        preprocess: mean, std, interpolation, ... as open_clip states them.
        weights: The weights file; None for random weights.
        source: What the weights are called in messages.
        quick_gelu: Whether the weights were trained with QuickGELU; None if that is not known.
        evidence: Who says so, as a clause.
    """

    config: dict[str, Any]
    preprocess: dict[str, Any]
    weights: Path | None
    source: str
    quick_gelu: bool | None
    evidence: str


def resolve(
    arch: str, pretrained: str | None, model_config: Mapping[str, Any] | None, cache_dir: str | None
) -> ModelSpec:
    """Find the model config and the weights; downloads what is in no cache.

    Raises:
        ConfigError: for an unknown arch or an incomplete model config.
        WeightsError: for unknown or unreachable weights.
    """
    spec = _architecture(arch, model_config, cache_dir, bring_weights=pretrained is None)
    if pretrained is None:
        return spec
    tag = get_pretrained_cfg(_builtin(arch), pretrained) if model_config is None else {}
    if tag:
        source = f"{pretrained!r} of {arch}"
        quick = bool(tag.get("quick_gelu")) or bool(spec.quick_gelu)
        return spec._replace(
            preprocess=merge_preprocess_dict(spec.preprocess, tag),
            weights=tag_file(tag, f"the weights {source}", cache_dir),
            source=source, quick_gelu=quick, evidence="open_clip's entry of the tag states it",
        )  # fmt: skip
    if pretrained.startswith(HUB):
        return _hub_weights(spec, pretrained, cache_dir)
    path = Path(pretrained).expanduser()
    if not path.exists() and path.suffix not in _FILE_SUFFIXES and len(path.parts) == 1:
        raise WeightsError(_unknown_weights(arch, pretrained, model_config is None))
    spec = spec._replace(weights=path, source=str(path))
    return _with_side_config(spec, path.parent / CONFIG_FILE)


def decide_quick_gelu(requested: bool | None, spec: ModelSpec) -> bool:
    """Choose the activation and log why; never guess.

    Args:
        requested: The user's choice; None leaves it to what is known of the weights.
        spec: With `quick_gelu` and `evidence` as far as they are known.

    Raises:
        ConfigError: if the request contradicts the weights, or if neither tells.
    """
    built = bool(spec.config.get("quick_gelu", False))
    known = spec.quick_gelu
    if known is None and requested is None:
        raise ConfigError(
            f"quick_gelu: {spec.source} does not tell which activation it was trained with, and "
            "the wrong one loses accuracy silently. Say quick_gelu=True (OpenAI, MetaCLIP, DFN "
            "weights) or quick_gelu=False (LAION, DataComp weights)."
        )
    if known is not None and requested is not None and known != requested:
        raise ConfigError(
            f"quick_gelu={requested} does not fit {spec.source}, which was trained with "
            f"{_name(known)} ({spec.evidence}). Leave quick_gelu out, or set it to {known}."
        )
    chosen = bool(known if requested is None else requested)
    reason = spec.evidence if requested is None else "as quick_gelu says"
    if chosen != built and requested is None:
        _log.warning("%s is built with %s: %s", spec.source, _name(chosen), spec.evidence)
    else:
        _log.info("%s is built with %s: %s", spec.source, _name(chosen), reason)
    return chosen


def _architecture(
    arch: str, model_config: Mapping[str, Any] | None, cache_dir: str | None, bring_weights: bool
) -> ModelSpec:
    if model_config is not None:
        config = _plain(model_config)
        _check_config(config, "model_config")
        return _random(config, arch, asdict(PreprocessCfg()))
    if arch.startswith(HUB):
        repo = arch.removeprefix(HUB)
        what = f"the model {arch}"
        stated = _read_json(hub_file(repo, (CONFIG_FILE,), what, cache_dir))
        weights = hub_file(repo, WEIGHT_FILES, what, cache_dir) if bring_weights else None
        return _stated(stated, arch, weights)
    if arch.startswith(FOLDER):
        folder = Path(arch.removeprefix(FOLDER)).expanduser()
        if not (folder / CONFIG_FILE).is_file():
            raise WeightsError(f"{arch}: expected a folder with {CONFIG_FILE}, got {folder}.")
        weights = _weights_in(folder) if bring_weights else None
        return _stated(_read_json(folder / CONFIG_FILE), arch, weights)
    config = get_model_config(_builtin(arch))
    if config is None:
        raise ConfigError(_unknown_arch(arch))
    return _random(config, arch, _usual_preprocess(_builtin(arch)))


def _random(config: dict[str, Any], arch: str, preprocess: dict[str, Any]) -> ModelSpec:
    """Return the spec of a seeded random model, whose activation is whatever its config says."""
    quick = bool(config.get("quick_gelu", False))
    evidence = f"the model config of {arch} " + ("states it" if quick else "names no QuickGELU")
    return ModelSpec(config, preprocess, None, f"random weights of {arch}", quick, evidence)


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
    return _with_side_config(
        spec._replace(weights=weights, source=pretrained), weights.parent / CONFIG_FILE
    )


def _with_side_config(spec: ModelSpec, side: Path) -> ModelSpec:
    """Take activation and preprocessing from the open_clip_config.json beside a weights file."""
    if not side.is_file():
        # An arch that says QuickGELU by its name or config is a statement; its absence is none.
        quick = True if spec.config.get("quick_gelu") else None
        return spec._replace(quick_gelu=quick)
    stated = _read_json(side)
    quick = bool((stated.get("model_cfg") or {}).get("quick_gelu", False))
    return spec._replace(
        preprocess=merge_preprocess_dict(spec.preprocess, stated.get("preprocess_cfg") or {}),
        quick_gelu=quick, evidence=f"{CONFIG_FILE} beside the weights states it",
    )  # fmt: skip


def _usual_preprocess(arch: str) -> dict[str, Any]:
    """Return the preprocessing that the published weights of an arch agree on, or CLIP's."""
    usual = asdict(PreprocessCfg())
    tags = [get_pretrained_cfg(arch, tag) for tag in open_clip.list_pretrained_tags_by_model(arch)]
    for key in ("mean", "std", "interpolation", "resize_mode"):
        values = {tag[key] for tag in tags if key in tag}
        if len(values) == 1:
            usual[key] = values.pop()
    return usual


def _weights_in(folder: Path) -> Path:
    names = (*WEIGHT_FILES, "open_clip_pytorch_model.safetensors", "open_clip_pytorch_model.pth")
    found = [folder / name for name in names if (folder / name).is_file()]
    found = found or sorted(p for p in folder.iterdir() if p.suffix in _FILE_SUFFIXES)
    if not found:
        raise WeightsError(f"{folder} holds {CONFIG_FILE} but no weights file.")
    return found[0]


def _read_json(path: Path) -> dict[str, Any]:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise WeightsError(f"{path} cannot be read as JSON: {error}.") from error


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


def _builtin(arch: str) -> str:
    return arch.replace("/", "-")


def _name(quick_gelu: bool) -> str:
    return "QuickGELU" if quick_gelu else "plain GELU"


def _near(name: str, names: list[str]) -> str:
    near = difflib.get_close_matches(name, names, n=3, cutoff=0.4)
    return f" Near: {', '.join(map(repr, near))}." if near else ""


def _unknown_arch(arch: str) -> str:
    return (
        f"arch {arch!r} is none of open_clip's models.{_near(arch, open_clip.list_models())} "
        f"Expected a name of `open_clip.list_models()`, '{HUB}org/name', '{FOLDER}folder', or any "
        "name together with model_config."
    )


def _unknown_weights(arch: str, pretrained: str, builtin: bool) -> str:
    tags = open_clip.list_pretrained_tags_by_model(_builtin(arch)) if builtin else []
    return (
        f"pretrained {pretrained!r} is neither a file nor a tag of {arch}."
        f"{_near(pretrained, tags)} Tags of {arch}: {', '.join(tags) or 'none'}."
    )
