"""Whether arch and weights of a config's backbone can be, before anything is imported or built."""

import difflib
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from plp.errors import ConfigError, WeightsError, describe_os_error
from plp.zoo.folders import model_folder
from plp.zoo.mistakes import no_tag, unknown_arch
from plp.zoo.names import FOLDER, HUB, is_file_name, repository
from plp.zoo.published import archs, tags_of


def check_backbone(backbone: Any) -> None:
    """Refuse names of arch and weights that mean nothing, and files that cannot be weights.

    Of open_clip's backbone; classes of the user's own are left alone. What a library or files tell
    is asked by `plp.config.backbone_files`.

    Args:
        backbone: `model.backbone` of a config.

    Raises:
        ConfigError: for an arch that means nothing, with the nearest ones.
        WeightsError: likewise for weights.
    """
    if not isinstance(backbone, Mapping):
        return
    kind, arch = backbone.get("type"), backbone.get("arch", "ViT-B-16")
    if kind == "OpenCLIPBackbone":
        own, weights = backbone.get("model_config"), backbone.get("pretrained", "openai")
        if not isinstance(arch, str):
            raise ConfigError(
                f"expected model.backbone.arch to be a name, got {arch!r}. On the command line "
                "each KEY=VALUE of --cfg-options is an argument of its own"
            )
        if own is None:
            check_arch(arch)
        if isinstance(weights, str):
            check_weights(arch, weights, own is None)


def check_arch(arch: str) -> None:
    """Refuse what is no arch of open_clip, no repository and no folder of a model.

    Raises:
        ConfigError: with the nearest archs.
        WeightsError: for a folder that holds no model.
    """
    if arch.startswith(HUB):
        repository(arch, HUB)
    elif arch.startswith(FOLDER):
        model_folder(Path(arch.removeprefix(FOLDER)).expanduser(), FOLDER)
    elif builtin(arch) not in archs() and not _registered(builtin(arch)):
        raise ConfigError(unknown_arch(arch))


def check_weights(arch: str, weights: str, published: bool = True) -> None:
    """Refuse what is neither a tag of an arch, nor a repository, nor a file that may hold weights.

    Args:
        arch: The arch.
        weights: `pretrained` of a config.
        published: Whether the arch is open_clip's, so that tags mean something.

    Raises:
        ConfigError: for a malformed repository.
        WeightsError: with the nearest tags, or the nearest files of the folder.
    """
    if published and is_tag(arch, weights):
        return
    if weights.startswith(HUB):
        repository(weights, HUB)
        return
    path = Path(weights).expanduser()
    if not os.path.lexists(path) and not is_file_name(weights):
        raise WeightsError(no_tag(arch, weights))
    check_file(path)


def check_file(path: Path) -> None:
    """Refuse a path that is no file of weights.

    Raises:
        WeightsError: saying what it is, and what may be meant.
    """
    try:
        if path.is_dir():
            raise WeightsError(
                f"{path} is a folder, expected a weights file. A folder with open_clip_config.json "
                f"and weights is named by arch='local-dir:{path}'."
            )
        if not path.is_file():
            raise WeightsError(f"the weights file {path} does not exist.{_near(path)}")
        if path.stat().st_size == 0:
            raise WeightsError(f"{path} is empty, expected weights. Download it again.")
    except OSError as error:
        raise WeightsError(describe_os_error(error)) from error


def is_tag(arch: str, weights: str) -> bool:
    """Whether weights are a tag of an arch, spelled as open_clip takes it.

    Example:
        >>> is_tag('ViT-B/16', 'OpenAI'), is_tag('ViT-B-16', 'webli')
        (True, False)
    """
    return weights.lower().replace("-", "_") in tags_of(builtin(arch))


def _registered(arch: str) -> bool:
    """Whether a module of the user's has told open_clip of an arch (`add_model_config`)."""
    open_clip = sys.modules.get("open_clip")
    return open_clip is not None and arch in open_clip.list_models()


def builtin(arch: str) -> str:
    """Return an arch as open_clip's table has it: 'ViT-B-16' for 'ViT-B/16'."""
    return arch.replace("/", "-")


def _near(path: Path) -> str:
    if not path.parent.is_dir():
        return f" There is no folder {str(path.parent)!r}."
    names = [one.name for one in path.parent.iterdir() if one.is_file()]
    near = difflib.get_close_matches(path.name, names, n=1)
    return f" Did you mean {str(path.with_name(near[0]))!r}?" if near else ""
