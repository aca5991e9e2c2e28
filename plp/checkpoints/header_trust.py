"""What a checkpoint's header may name: published models, and what the user vouches for.

A checkpoint may come from a stranger. Its header says which backbone it belongs to, and a backbone
may be told to read any file or folder, or to download any repository. Only a tag of open_clip's
table, or a name of timm's, is followed without a word of the user's. Such a word is
`pretrained=X` (`--pretrained X`), `trust_header=True` (`--trust-header`), or the run's own work
directory on the machine that trained it: `result.json` has the path and the digest of the weights
there.
"""

import logging
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from mmengine.config import Config

from plp.check_cost import checking
from plp.checkpoints.given_weights import (
    IMAGE_ONLY,
    KEY,
    LIBRARY,
    given_weights,
    same_place,
    weights_key,
    word_of,
)
from plp.errors import CheckpointError, DataError
from plp.files import content_digest
from plp.results.run import read_result
from plp.results.stated import RESULT

_PREFIXES = ("hf-hub:", "local-dir:")

logger = logging.getLogger("plp")


class Named(NamedTuple):
    """Something outside of open_clip's table that a header names.

    Attributes:
        key: Where it stands in the config.
        value: What stands there.
    """

    key: str
    value: str


def named_by(backbone: Mapping[str, Any]) -> list[Named]:
    """Return the files, folders and repositories that the config of a backbone names.

    Example:
        >>> named_by({'arch': 'ViT-B-16', 'pretrained': 'openai'})
        []
        >>> named_by({'arch': 'ViT-B-16', 'pretrained': 'my/weights.pt'})
        [Named(key='model.backbone.pretrained', value='my/weights.pt')]
    """
    if backbone.get("type") == LIBRARY:
        return [
            Named(f"{KEY}.{key}", str(backbone[key]))
            for key in ("name_or_folder", "cache_dir")
            if backbone.get(key) is not None
        ]
    if backbone.get("type") == IMAGE_ONLY:
        return _named_by_image_only(backbone)
    arch, weights = backbone.get("arch"), backbone.get("pretrained")
    own = backbone.get("model_config")
    found = []
    if own is None and isinstance(arch, str) and arch.startswith(_PREFIXES):
        found.append(Named(f"{KEY}.arch", arch))
    if weights is not None and not (own is None and _is_tag(arch, weights)):
        found.append(Named(f"{KEY}.pretrained", str(weights)))
    found += _named_within(own, f"{KEY}.model_config")
    if backbone.get("cache_dir") is not None:
        found.append(Named(f"{KEY}.cache_dir", str(backbone["cache_dir"])))
    return found


def _named_by_image_only(backbone: Mapping[str, Any]) -> list[Named]:
    """Return what is named beyond a name of timm's and its published weights."""
    values = {key: backbone.get(key) for key in ("arch", "pretrained", "cache_dir")}
    from plp.backbones._timm_source import PUBLISHED, is_timm_name  # imports timm

    known = {
        "arch": values["arch"] is not None and is_timm_name(str(values["arch"])),
        "pretrained": values["pretrained"] == PUBLISHED,
    }
    found = [
        Named(f"{KEY}.{key}", str(value))
        for key, value in values.items()
        if value is not None and not known.get(key)
    ]
    return [*found, *_named_within(backbone.get("model_args"), f"{KEY}.model_args")]


def check_header(
    config: Config,
    checkpoint: str | Path,
    pretrained: str | Path | None = None,
    trust_header: bool = False,
) -> dict[str, Any]:
    """Refuse a header that names what nobody vouches for.

    Args:
        config: The config in the header.
        checkpoint: The file, or the work directory it is in.
        pretrained: The user's choice of weights.
        trust_header: Whether the user vouches for all that the header names.

    Returns:
        Options to build the learner with, by dotted key: the weights that are vouched for.

    Raises:
        CheckpointError: naming what the header asks for, and how to vouch for it.
    """
    backbone = config.model.get("backbone")
    options: dict[str, Any] = {} if pretrained is None else given_weights(backbone, pretrained)
    if trust_header or not isinstance(backbone, Mapping):
        return options
    said = None if pretrained is None else str(pretrained)
    named = [one for one in named_by(backbone) if one.key not in options and one.value != said]
    if not named:
        return options
    recorded, why = _recorded(backbone, Path(checkpoint))
    if recorded is not None:
        at: dict[str, Any] = {f"{KEY}.pretrained": str(recorded)} if _is_file(named) else {}
        if backbone.get("type") == LIBRARY:
            at = {weights_key(backbone): str(recorded.parent), f"{KEY}.revision": None}
        own = backbone.get("type") == IMAGE_ONLY and not at
        folders = [one.value for one in named if own and one.key == f"{KEY}.arch"]
        if folders and not same_place(folders[0], recorded.parent):  # it may have been relative
            at = {f"{KEY}.arch": str(recorded.parent)}
        return at | options
    caches = [one for one in named if one.key.endswith(".cache_dir")]
    if len(caches) == len(named):  # plp's own caches do as well
        logger.warning(
            "the checkpoint's header names the folder %r (%s), which is not used without "
            "--trust-header", caches[0].value, caches[0].key,
        )  # fmt: skip
        return options | {caches[0].key: None}
    listed = ", ".join(f"{one.value!r} ({one.key})" for one in named)
    word = word_of(backbone)
    raise CheckpointError(
        f"{checkpoint} asks for {listed}, and a checkpoint's header is followed to published "
        f"models only{why}. If you have these weights, name them: --pretrained {word} (plp.load: "
        f"pretrained={word}; test, ood: --cfg-options {weights_key(backbone)}={word}). If the "
        "checkpoint is yours or you trust it: --trust-header (trust_header=True)"
    )


def names_own_data(info: Mapping[str, Any], checkpoint: str | Path) -> bool:
    """Return whether the dataset that a header names is that of the work directory it is in.

    Args:
        info: The header.
        checkpoint: The file, or the work directory it is in.
    """
    result = _result_beside(Path(checkpoint))
    config = info.get("config")
    if result is None or not isinstance(config, Mapping):
        return False
    return bool(result["config"].get("dataset") == _plain(config.get("dataset")))


def record_of(backbone: Any) -> dict[str, str] | None:
    """Return path and digest of the weights of a backbone, for `result.json`; None if it has no
    file of weights.
    """
    path = getattr(backbone, "weights_file", None)
    if path is None:
        return None
    with checking():
        return {"path": os.path.abspath(path), "sha256": content_digest(Path(path))}


def _is_tag(arch: Any, weights: Any) -> bool:
    from open_clip.pretrained import get_pretrained_cfg

    names = isinstance(arch, str) and isinstance(weights, str)
    return names and bool(get_pretrained_cfg(arch.replace("/", "-"), weights))


def _named_within(section: Any, key: str) -> Iterator[Named]:
    """Yield what a model config names: towers of the transformers library, and of timm's hub."""
    if isinstance(section, Mapping):
        for name, value in section.items():
            yield from _named_within(value, f"{key}.{name}")
    elif isinstance(section, list | tuple):
        for value in section:
            yield from _named_within(value, key)
    elif isinstance(section, str):
        hub = key.rpartition(".")[2].startswith("hf_") and key.endswith("_name")
        if hub or any(sign in section for sign in ":/\\"):
            yield Named(key, section)


def _is_file(named: list[Named]) -> bool:
    """Whether weights are named by a path, which may be relative to a folder of then."""
    return any(
        one.key == f"{KEY}.pretrained" and not one.value.startswith(_PREFIXES) for one in named
    )


def _recorded(backbone: Mapping[str, Any], checkpoint: Path) -> tuple[Path | None, str]:
    """Return the weights that the run's own work directory records, if they are on this machine;
    and, if they are not, what is to be said of them.
    """
    result = _result_beside(checkpoint)
    if result is None:
        return None, ""
    record, config = result.get("weights"), result["config"].get("model", {})
    if not isinstance(record, Mapping) or config.get("backbone") != _plain(backbone):
        return None, ""
    path = Path(str(record.get("path")))
    try:
        same = path.is_file() and content_digest(path) == record.get("sha256")
    except OSError:
        same = False
    if same:
        return path, ""
    return None, f" (its run had {str(path)!r}, which is not there, or no longer the same)"


def _result_beside(checkpoint: Path) -> dict[str, Any] | None:
    """Return the result in the work directory of a checkpoint; None without one that is intact."""
    folder = checkpoint if checkpoint.is_dir() else checkpoint.parent
    if not (folder / RESULT).is_file():
        return None
    try:
        return read_result(folder / RESULT)
    except DataError as error:
        logger.warning("%s", error)
        return None


def _plain(value: Any) -> Any:
    """Return a config as JSON gives it back."""
    if isinstance(value, Mapping):
        return {str(key): _plain(inner) for key, inner in value.items()}
    return [_plain(one) for one in value] if isinstance(value, list | tuple) else value
