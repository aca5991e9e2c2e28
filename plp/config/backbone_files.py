"""What can be said of a config's model by its library and its files, before anything is built.

Libraries are imported where a config names one of their models; no network is asked.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any


def check_files(backbone: Any) -> None:
    """Refuse names that a library does not know, folders that are not whole, weights that misfit.

    Args:
        backbone: `model.backbone` of a config, whose names `plp.zoo.check` has passed.

    Raises:
        PlpError: with the nearest names, what is missing, or the archs that the weights fit.
    """
    if not isinstance(backbone, Mapping):
        return
    kind = backbone.get("type")
    if kind == "OpenCLIPBackbone" and isinstance(backbone.get("pretrained"), str):
        _check_open_clip(backbone)
    elif kind == "ImageOnlyBackbone" and isinstance(backbone.get("arch"), str):
        _check_timm(backbone)
    elif kind == "TransformersBackbone" and isinstance(backbone.get("name_or_folder"), str):
        _check_transformers(backbone["name_or_folder"])


def _check_open_clip(backbone: Mapping[str, Any]) -> None:
    if Path(backbone["pretrained"]).expanduser().is_file():
        from plp.backbones._openclip_check import check_config

        check_config(backbone)


def _check_timm(backbone: Mapping[str, Any]) -> None:
    from plp.backbones._timm_source import PUBLISHED, check_source

    weights = backbone.get("pretrained", PUBLISHED)
    if weights is None or isinstance(weights, str):
        check_source(backbone["arch"], weights)


def _check_transformers(name: str) -> None:
    folder = Path(name.removeprefix("transformers:")).expanduser()
    if folder.is_dir():
        from plp.backbones._hf_folder import check_folder

        check_folder(folder, str(folder))
