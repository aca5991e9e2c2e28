"""A timm model in a folder, as timm's `save_for_hf` writes it, and its config.json."""

import difflib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import timm
from timm.models import get_pretrained_cfg
from timm.models._registry import split_model_name_tag

from plp.errors import ConfigError, WeightsError

TIMM = "timm:"
HUB = "hf-hub:"
FOLDER = "local-dir:"
CONFIG_FILE, WEIGHTS_FILE = "config.json", "model.safetensors"
# Of timm's `PretrainedCfg`: where weights are. plp finds them itself.
_PLACES = ("url", "file", "state_dict", "hf_hub_id", "hf_hub_filename", "source", "custom_load")


class TimmSource(NamedTuple):
    """What is to be built.

    Attributes:
        name: timm's name of the architecture, without tag.
        cfg: Entries of its `pretrained_cfg`, without places of weights: input size, mean, ...
        args: Keywords that the weights were made with (`model_args` of a config.json).
        weights: A file of safetensors; None for random weights.
        label: What it is called in messages.
    """

    name: str
    cfg: dict[str, Any]
    args: dict[str, Any]
    weights: Path | None
    label: str


def of_folder(arch: str, published: bool) -> TimmSource:
    """Return the model of a folder.

    Args:
        arch: The folder, also behind 'local-dir:'.
        published: Whether its weights are wanted.

    Raises:
        ConfigError: for what is no folder, or one whose config.json is not timm's.
        WeightsError: for a folder that is missing, or has no weights of safetensors.
    """
    folder = Path(arch.removeprefix(FOLDER)).expanduser()
    if not folder.exists() and ("/" in arch or arch.startswith(FOLDER)):
        raise WeightsError(
            f"arch: there is no folder {str(folder)!r} here; expected '{TIMM}NAME', "
            f"'{HUB}org/name' or a folder with {CONFIG_FILE} and {WEIGHTS_FILE}, got {arch!r}, "
            "which is not a folder"
        )
    if not folder.is_dir():
        hint = ""
        if "/" not in arch and (plain := split_model_name_tag(arch)[0]) in timm.list_models():
            hint = f" Did you mean arch='{TIMM}{arch}'? {plain} is a model of timm."
        raise ConfigError(
            f"arch: expected '{TIMM}NAME', '{HUB}org/name' or a folder with {CONFIG_FILE} and "
            f"{WEIGHTS_FILE}, got {arch!r}, which is not a folder.{hint}"
        )
    if not (folder / CONFIG_FILE).is_file():
        raise ConfigError(
            f"{folder} has no {CONFIG_FILE}; expected a folder as timm's save_for_hf or "
            f"push_to_hf_hub writes it: {CONFIG_FILE} and {WEIGHTS_FILE}"
        )
    source = read_config(folder / CONFIG_FILE, None, str(folder))
    return source._replace(weights=weights_in(folder)) if published else source


def weights_in(folder: Path) -> Path:
    """Return the weights file of a folder.

    Raises:
        WeightsError: if there is none of safetensors.
    """
    if (folder / WEIGHTS_FILE).is_file():
        return folder / WEIGHTS_FILE
    pickled = [p.name for kind in ("*.bin", "*.pth", "*.pt") for p in sorted(folder.glob(kind))]
    if pickled:
        raise WeightsError(
            f"{folder} has its weights pickled only ({', '.join(pickled)}); expected "
            f"{WEIGHTS_FILE}. Save the model again with timm's save_for_hf(model, folder, "
            "safe_serialization=True)"
        )
    raise WeightsError(f"{folder} has no weights: expected {WEIGHTS_FILE} beside {CONFIG_FILE}")


def read_config(path: Path, weights: Path | None, label: str) -> TimmSource:
    """Read a config.json of timm's.

    Raises:
        ConfigError: if it is not one, or names a model that timm does not know.
    """
    try:
        stated = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path} cannot be read as JSON: {error}") from error
    if not isinstance(stated, dict) or not isinstance(stated.get("architecture"), str):
        raise ConfigError(f"{path} is not a config of timm's: {_whose(stated)}")
    entries = stated.get("pretrained_cfg", stated)  # in one dict, as old versions wrote it
    args = stated.get("model_args") or {}
    if not isinstance(entries, dict) or not isinstance(args, dict):
        raise ConfigError(f"{path}: expected pretrained_cfg and model_args to be objects")
    entries = {**entries, "num_classes": stated.get("num_classes", entries.get("num_classes"))}
    known = set(get_pretrained_cfg("resnet18").__dataclass_fields__)  # type: ignore[union-attr]
    cfg = {k: v for k, v in without_places(entries).items() if k in known and v is not None}
    name = split_model_name_tag(stated["architecture"])[0]
    check_name(name, f"{path}: ")
    return TimmSource(name, cfg, args, weights, label)


def _whose(stated: Any) -> str:
    kind = stated.get("model_type") if isinstance(stated, dict) else None
    if kind is None:
        return "it names no architecture"
    return (
        f"it is one of the transformers library (model_type {kind!r}). timm has the same weights "
        f"of DINOv2 and DINOv3 under its own names (arch='{TIMM}vit_small_patch14_dinov2'); "
        "image-text models of transformers are read by TransformersBackbone"
    )


def check_name(name: str, where: str = "") -> None:
    """Refuse a name that timm does not know.

    Raises:
        ConfigError: with the nearest names.
    """
    if not timm.is_model(name):
        known = timm.list_models()
        near = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
        hint = f" Near: {', '.join(map(repr, near))}." if near else ""
        raise ConfigError(
            f"{where}timm has no model {name!r}.{hint} `timm.list_models()` has all {len(known)}; "
            'to look for a part of a name: python -c "import timm; '
            "print(timm.list_models('*vit*', pretrained=True))\""
        )


def without_places(cfg: Mapping[str, Any]) -> dict[str, Any]:
    """Return the entries of a `pretrained_cfg` that do not say where weights are."""
    return {key: value for key, value in cfg.items() if key not in _PLACES}
