"""Build an open_clip model from a config."""

from collections.abc import Mapping
from typing import Any

import open_clip
import torch

from plp.backbones._activation import use_lean_quick_gelu
from plp.backbones._openclip_hub import require_hub_model
from plp.errors import ConfigError
from plp.transforms.size import SizeLike, plain_size, read_size, spell_size

_MOST_LAYERS, _LARGEST = 1000, 2**20  # of a tower; of a vocabulary, a width, an image


def build_model(
    config: Mapping[str, Any],
    quick_gelu: bool,
    image_size: SizeLike | None,
    seed: int,
    cache_dir: str | None,
    device: str = "cpu",
) -> Any:
    """Build a model in float32 with seeded random weights, leaving the global state alone.

    Args:
        config: open_clip's model config.
        quick_gelu: The activation.
        image_size: Of the input, if another than the config's own.
        seed: Of the weights.
        cache_dir: Where the hub's files lie; None for the usual cache.
        device: 'cpu', or 'meta' for names and shapes without values.

    Raises:
        ConfigError: if open_clip refuses the config.
        WeightsError: if the config names a Hugging Face text tower that is out of reach.
    """
    config = {**config, "quick_gelu": quick_gelu}
    vision, text = dict(config["vision_cfg"]), dict(config["text_cfg"])
    _check_sizes(config, "model_config")
    if image_size is not None:
        image_size = plain_size(read_size("image_size", image_size))
        _check_sizes(image_size, "image_size")
        vision["image_size"] = image_size
    _check_square(vision)
    if vision.get("timm_model_name"):
        vision["timm_model_pretrained"] = False
    if text.get("hf_model_name"):
        require_hub_model(text["hf_model_name"], cache_dir)
        text["hf_model_pretrained"] = False
    custom = config.pop("custom_text", False) or bool(text.get("hf_model_name"))
    kind = open_clip.CustomTextCLIP if custom else open_clip.CLIP
    if "multimodal_cfg" in config:
        kind = open_clip.CoCa
    try:
        with torch.random.fork_rng(devices=[]), torch.device(device):
            torch.default_generator.manual_seed(seed)
            model = kind(**{**config, "vision_cfg": vision, "text_cfg": text})
    except (TypeError, AssertionError, RuntimeError, ValueError) as error:
        raise ConfigError(f"open_clip cannot build this model config: {error}") from error
    use_lean_quick_gelu(model)
    return model.float()


def set_input_size(model: Any, image_size: SizeLike) -> None:
    """Let a timm tower take images of another size, its weights loaded; no other needs this.

    Raises:
        ConfigError: if timm refuses the size.
    """
    if not hasattr(model.visual, "set_input_size"):
        return
    size = read_size("image_size", image_size)
    try:
        model.visual.set_input_size(size)
    except (TypeError, AssertionError, RuntimeError, ValueError) as error:
        raise ConfigError(
            f"timm cannot build this image tower for images of {spell_size(size)}: {error}"
        ) from error


def _check_square(vision: Mapping[str, Any]) -> None:
    """Refuse two sides for a ResNet, whose pooling open_clip builds for a square map.

    Raises:
        ConfigError: naming both sides.
    """
    size = vision.get("image_size", 224)
    if isinstance(vision.get("layers"), list | tuple) and not isinstance(size, int):
        raise ConfigError(
            f"open_clip's ResNets take square images, for the positions of their attention "
            f"pooling form a square: expected one image_size, got {spell_size(size)}"
        )


def _check_sizes(value: Any, key: str) -> None:
    """Refuse sizes that no model has: building one would fill the memory before it fails.

    Raises:
        ConfigError: naming the entry.
    """
    if isinstance(value, Mapping):
        for name, inner in value.items():
            _check_sizes(inner, f"{key}.{name}")
    elif isinstance(value, list | tuple):
        for inner in value:
            _check_sizes(inner, key)
    elif isinstance(value, int):
        most = _MOST_LAYERS if key.endswith("layers") else _LARGEST
        if value > most:
            raise ConfigError(f"{key}: expected at most {most}, got {value}")
