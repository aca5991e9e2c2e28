"""Refuse weights of another architecture before a model is built; say which one they may be of.

A model on the meta device has all names and shapes and no values: it takes 0.04 to 0.6 s where the
model itself takes seconds and gigabytes.
"""

import difflib
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from torch import Tensor

from plp.backbones._openclip_build import build_model
from plp.backbones._openclip_fit import EXPECTED, Misfit, misfit_of
from plp.backbones._openclip_sizes import sizes_of_config, sizes_of_weights
from plp.backbones._openclip_spec import resolve
from plp.backbones._openclip_weights import Checkpoint, has_head, read_checkpoint
from plp.errors import WeightsError
from plp.transforms.size import SizeLike
from plp.wording import count
from plp.zoo.cached import in_hub_cache
from plp.zoo.check import is_tag
from plp.zoo.names import HUB
from plp.zoo.published import arch_config, archs

_TRIED, _NAMED = 8, 4  # archs compared tensor by tensor, archs named


def check_fit(
    arch: str,
    config: Mapping[str, Any],
    state: Mapping[str, Tensor],
    source: str,
    image_size: SizeLike | None = None,
    cache_dir: str | None = None,
) -> None:
    """Refuse weights that a model would refuse, without building it.

    A text tower of the transformers library is left to the loading, where its config is out of
    reach.

    Args:
        arch: What the model is called.
        config: Its open_clip model config.
        state: The weights; they may be without values.
        source: What they are called.
        image_size: Input size other than the arch's own; the position embedding is resized to it.
        cache_dir: Where the hub's files lie; None for the usual cache.

    Raises:
        WeightsError: saying what was expected and found, and which archs the weights fit.
        ConfigError: if open_clip refuses the config.
    """
    misfit = _misfit(config, state, image_size, cache_dir)
    if misfit is None or not misfit.size:
        return
    raise WeightsError(
        f"{source} does not fit {arch}: {misfit}. {_advice(arch, config, state, misfit)}"
    )


def read_fitting(
    path: Path,
    arch: str,
    config: Mapping[str, Any],
    source: str,
    image_size: SizeLike | None,
    cache_dir: str | None,
) -> Checkpoint:
    """Read a weights file that fits a model; of one that does not, no more than its head.

    Args:
        path: The file.
        arch: As for `check_fit`.
        config: Likewise.
        source: Likewise.
        image_size: Likewise.
        cache_dir: Likewise.

    Raises:
        WeightsError: if it is damaged, or as for `check_fit`.
    """
    whole = None if has_head(path) else read_checkpoint(path)
    head = whole or read_checkpoint(path, shapes_only=True)
    check_fit(arch, config, head.state, source, image_size, cache_dir)
    return whole or read_checkpoint(path)


def check_config(backbone: Mapping[str, Any]) -> None:
    """Refuse a weights file that does not fit, from a config: builds nothing, asks no network.

    Args:
        backbone: `model.backbone` of a config, an `OpenCLIPBackbone`.

    Raises:
        PlpError: see `check_fit`, and for a file that cannot be read.
    """
    arch, weights = backbone.get("arch", "ViT-B-16"), backbone.get("pretrained", "openai")
    own, cache_dir = backbone.get("model_config"), backbone.get("cache_dir")
    names = isinstance(arch, str) and isinstance(weights, str)
    if not names or arch.startswith(HUB) or (own is None and is_tag(arch, weights)):
        return
    path = Path(weights).expanduser()
    if path.is_file() and has_head(path):
        spec = resolve(arch, weights, None, own, cache_dir)
        head = read_checkpoint(path, shapes_only=True)
        check_fit(arch, spec.config, head.state, weights, backbone.get("image_size"), cache_dir)


def _misfit(
    config: Mapping[str, Any],
    state: Mapping[str, Tensor],
    image_size: SizeLike | None,
    cache_dir: str | None,
) -> Misfit | None:
    """Compare weights with a model of a config; None where that cannot be done here."""
    named = (config.get("text_cfg") or {}).get("hf_model_name")
    if named and not (Path(named).is_dir() or in_hub_cache(named, ("config.json",), cache_dir)):
        return None
    model = build_model(config, False, image_size, 0, cache_dir, device="meta")
    try:
        return misfit_of(model, dict(state), image_size is not None)
    except Exception:  # open_clip's converters raise whatever they like; loading says it
        return None


def _advice(
    arch: str, config: Mapping[str, Any], state: Mapping[str, Tensor], misfit: Misfit
) -> str:
    """Say what to do: another size, another arch, another class."""
    fitting, near = _nearest(arch, config, state)
    told = []
    if misfit.of_size:
        told.append("Give image_size to interpolate the position embedding to another image size.")
    if fitting:
        more = f" and {len(fitting) - _NAMED} more" if len(fitting) > _NAMED else ""
        told.append(f"The weights fit {', '.join(fitting[:_NAMED])}{more}.")
    if told:
        return " ".join(told)
    if any(name.startswith(("vision_model.", "text_model.")) for name in state):
        return (
            "The names are those of the transformers library: name the folder that it wrote, "
            "--backbone transformers:FOLDER"
        )
    told.append("Name the arch the weights were made for")
    return f"{told[0]}{near}. {EXPECTED}"


def _nearest(
    arch: str, config: Mapping[str, Any], state: Mapping[str, Tensor]
) -> tuple[list[str], str]:
    """Return the archs that weights fit, and a remark on the nearest one where there is none."""
    best: tuple[int, str] | None = None
    fitting = []
    for name, own in _alike(arch, state):
        misfit = None if own == config else _misfit(own, state, None, None)
        if misfit is None:
            continue
        if not misfit.size:
            fitting.append(name)
        best = min(best or (misfit.size, name), (misfit.size, name))
    known = len(state)
    fitting.sort(key=lambda name: (len(name), name))  # -quickgelu behind its own
    if best is None or best[0] > known // 4:
        return fitting, ""
    return (
        fitting,
        f" (nearest: {best[1]}; different: {count(best[0], 'tensor')} of {known})",
    )


def _alike(arch: str, state: Mapping[str, Tensor]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield the archs whose sizes differ least from those of weights, likest name first."""
    own = sizes_of_weights(state)
    differing = {
        name: sum(sizes[key] != value for key, value in own.items() if key in sizes)
        for name, sizes in _all_sizes().items()
    }
    least = min(differing.values())
    names = [name for name, number in differing.items() if number == least]
    names.sort(key=lambda name: -difflib.SequenceMatcher(None, arch, name).ratio())
    for name in names[:_TRIED] if own else ():
        yield name, arch_config(name)


@cache
def _all_sizes() -> dict[str, dict[str, Any]]:
    return {name: sizes_of_config(arch_config(name)) for name in archs()}
