"""Which entries of a backbone's config the weights that a user names take the place of."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from plp.errors import WeightsError

KEY = "model.backbone"
LIBRARY, IMAGE_ONLY = "TransformersBackbone", "ImageOnlyBackbone"
_CONFIG = "config.json"


def weights_key(backbone: Any) -> str:
    """Return the entry that says which weights a backbone takes."""
    library = isinstance(backbone, Mapping) and backbone.get("type") == LIBRARY
    return f"{KEY}.{'name_or_folder' if library else 'pretrained'}"


def word_of(backbone: Any) -> str:
    """Return what `--pretrained` is to be: 'FOLDER' where the model is one, else 'FILE'."""
    library = isinstance(backbone, Mapping) and backbone.get("type") == LIBRARY
    return "FOLDER" if library or _is_folder_of_timm(backbone) else "FILE"


def given_weights(backbone: Any, pretrained: str | Path) -> dict[str, str]:
    """Return options, by dotted key, that put a user's weights in place of those of a config.

    An image tower that came from a folder has its architecture from there, too: a folder takes the
    place of both, and so does the file in it.

    Args:
        backbone: `model.backbone` of the config.
        pretrained: The user's choice: a file, a folder, a tag or a repository.

    Raises:
        WeightsError: for a folder, or the file in it, that is not there.
    """
    given = {weights_key(backbone): str(pretrained)}
    if not _is_folder_of_timm(backbone):
        return given
    path = Path(pretrained).expanduser()
    if path.is_file():  # its architecture is in the file beside it, else still to be named
        beside = (path.parent / _CONFIG).is_file()
        return given | ({f"{KEY}.arch": str(path.parent)} if beside else {})
    if not path.is_dir():
        raise WeightsError(
            f"{pretrained}: expected a folder with {_CONFIG} and model.safetensors, or that file, "
            "and it is not there"
        )
    return given | {f"{KEY}.arch": str(path)}


def same_place(stated: Any, folder: Path) -> bool:
    """Whether a config's folder, with or without a prefix, is a given one."""
    place = str(stated).removeprefix("timm:").removeprefix("local-dir:")
    return os.path.abspath(Path(place).expanduser()) == os.path.abspath(folder)


def without_places(model: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a model's config without where its weights lie, for weights known to be the same.

    Only of backbones whose architecture and preprocessing lie with the weights.
    """
    backbone = model.get("backbone")
    if not isinstance(backbone, Mapping) or backbone.get("type") not in (LIBRARY, IMAGE_ONLY):
        return model
    places = {"pretrained", "name_or_folder", "revision", "cache_dir"}
    places |= {"arch"} if _is_folder_of_timm(backbone) else set()
    return {**model, "backbone": {k: v for k, v in backbone.items() if k not in places}}


def _is_folder_of_timm(backbone: Any) -> bool:
    """Whether a backbone is of images only, from a folder or a repository."""
    if not isinstance(backbone, Mapping) or backbone.get("type") != IMAGE_ONLY:
        return False
    from plp.backbones._timm_source import is_timm_name  # imports timm

    return backbone.get("arch") is not None and not is_timm_name(str(backbone["arch"]))
