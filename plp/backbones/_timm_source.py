"""What a name or a folder says of a timm model: architecture, keywords, weights, preprocessing."""

import difflib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import timm
from timm.models import get_pretrained_cfg, list_pretrained
from timm.models._registry import split_model_name_tag

from plp.backbones._openclip_hub import hub_file
from plp.errors import ConfigError, WeightsError, did_you_mean

TIMM = "timm:"
HUB = "hf-hub:"
FOLDER = "local-dir:"
_REPOSITORY = re.compile(r"\w[\w.-]*/\w[\w.-]*")
PUBLISHED = "published"
CONFIG_FILE, WEIGHTS_FILE = "config.json", "model.safetensors"

_WAYS_OUT = (
    "Give the weights as a file (pretrained=FILE.safetensors), or a folder with timm's config.json "
    "and model.safetensors (arch=FOLDER); or pretrained=None for seeded random weights"
)
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
    given, place = arch, arch.removeprefix(TIMM)
    if not place:
        raise ConfigError(f"arch: expected '{TIMM}NAME', '{TIMM}ORG/NAME' or '{TIMM}FOLDER', got "
                          f"{arch!r}")  # fmt: skip
    if place != arch and not is_timm_name(arch):
        if not Path(place).expanduser().is_dir() and _REPOSITORY.fullmatch(place):
            arch = HUB + place
        elif "/" in place or Path(place).expanduser().is_dir():
            arch = place
    if arch.startswith(TIMM):
        source = _named(place, pretrained == PUBLISHED, cache_dir)
    elif arch.startswith(HUB):
        taken = f" (no folder {place!r} is here: {given!r} was taken for a repository of the hub)"
        label = arch + (taken if arch != given else "")
        source = _of_hub(arch, label, pretrained == PUBLISHED, cache_dir)
    else:
        source = _of_folder(arch, pretrained == PUBLISHED)
    if pretrained in (None, PUBLISHED):
        return source
    return source._replace(weights=_checked_file(Path(str(pretrained)).expanduser()))


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
    _check_name(plain)
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
    return TimmSource(plain, _without_places(entries), {}, weights, label)


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
    return _stated(stated, weights, arch)


def _of_folder(arch: str, published: bool) -> TimmSource:
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
    source = _stated(folder / CONFIG_FILE, None, str(folder))
    return source._replace(weights=_weights_in(folder)) if published else source


def _weights_in(folder: Path) -> Path:
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


def _stated(path: Path, weights: Path | None, label: str) -> TimmSource:
    """Read a config.json of timm's."""
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
    cfg = {k: v for k, v in _without_places(entries).items() if k in known and v is not None}
    name = split_model_name_tag(stated["architecture"])[0]
    _check_name(name, f"{path}: ")
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


def _check_name(name: str, where: str = "") -> None:
    if not timm.is_model(name):
        known = timm.list_models()
        near = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
        hint = f" Near: {', '.join(map(repr, near))}." if near else ""
        raise ConfigError(
            f"{where}timm has no model {name!r}.{hint} `timm.list_models()` has all {len(known)}; "
            'to look for a part of a name: python -c "import timm; '
            "print(timm.list_models('*vit*', pretrained=True))\""
        )


def _checked_file(path: Path) -> Path:
    if path.is_dir():
        return _weights_in(path)
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


def _without_places(cfg: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in cfg.items() if key not in _PLACES}
