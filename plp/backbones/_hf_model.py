"""A model of the transformers library, built from a checked folder, and what its config means."""

from typing import Any, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from plp.backbones._activation import use_lean_quick_gelu
from plp.backbones._hf_folder import MODELS, CheckedFolder
from plp.backbones._hf_library import of_library, quiet_library, reading
from plp.errors import ConfigError, WeightsError
from plp.towers.hf_map import HFFeatureMap
from plp.towers.hf_text import HFEncoder, HFText
from plp.towers.hf_vit import HFClipViT, HFSiglipViT
from plp.towers.streams import TransformerStreams
from plp.towers.text import TextTower
from plp.towers.text_causal import CausalText
from plp.towers.text_encoder import EncoderText
from plp.towers.text_mask import TextMask
from plp.towers.text_whole import WholeText
from plp.towers.tokens import Tokens
from plp.towers.vision import VisionTower
from plp.transforms.size import Size

_PADDED = ("siglip", "siglip2")  # every place of a text counts, padding or not
_CAUSAL = ("clip", "metaclip_2")


class Logits(NamedTuple):
    """What turns cosines into a model's own logits: `scale * cosine + bias`."""

    scale: Float[Tensor, "..."]
    bias: Float[Tensor, "..."] | None


def open_config(folder: CheckedFolder) -> Any:
    """Return the model's config.

    Raises:
        ConfigError: if the library is missing, too old for the model, or refuses the config.
    """
    config_class = of_library(MODELS[folder.model_type].removesuffix("Model") + "Config")
    with quiet_library(), reading(folder, "config", ConfigError):
        config = config_class.from_pretrained(folder.path, local_files_only=True)
    if not getattr(config.vision_config, "vision_use_head", True):
        raise ConfigError(
            f"{folder.name}: its image tower has no pooling head (vision_use_head=False), so that "
            "there is no image feature to compare with texts"
        )
    return config


def open_image_processor(folder: CheckedFolder) -> Any:
    """Return the library's image processor, of which plp reads the settings."""
    auto = of_library("AutoImageProcessor")
    with quiet_library(), reading(folder, "image processor", WeightsError):
        return auto.from_pretrained(folder.path, local_files_only=True, trust_remote_code=False)


def build_model(folder: CheckedFolder) -> Any:
    """Return the model in float32 with the folder's weights; the random state is left alone.

    Raises:
        WeightsError: for weights that are damaged, or do not fit the config.
    """
    kind = of_library(MODELS[folder.model_type])
    untouched = torch.random.fork_rng(devices=[])
    with quiet_library(), reading(folder, "weights", WeightsError), untouched:
        model, found = kind.from_pretrained(
            folder.path, local_files_only=True, use_safetensors=True, dtype=torch.float32,
            output_loading_info=True,
        )  # fmt: skip
    missing = sorted(found["missing_keys"])
    if missing:  # the library would start them at random, with a warning
        raise WeightsError(
            f"{folder.name}: its weights lack {len(missing)} tensors of a "
            f"{MODELS[folder.model_type]}, such as {', '.join(missing[:3])}"
        )
    use_lean_quick_gelu(model, of_library("activations").QuickGELUActivation)
    return model


def read_vision(model: Any, alias_first_block: bool) -> VisionTower:
    """Return the reader of the image tower."""
    kind, vision = model.config.model_type, model.vision_model
    if kind == "align":
        return HFFeatureMap(vision)
    if kind in _PADDED:
        return TransformerStreams(HFSiglipViT(vision), alias_first_block)
    return TransformerStreams(HFClipViT(vision, model.visual_projection), alias_first_block)


def read_text(model: Any, tokens: Tokens, length: int) -> TextTower:
    """Return the reader of the text tower.

    Args:
        model: The model.
        tokens: Its tokenizer.
        length: Most tokens of a text.
    """
    kind, text = model.config.model_type, model.text_model
    if kind in _PADDED:
        return WholeText(HFText(text, None), tokens, length, "last", TextMask())
    if kind in _CAUSAL:
        return CausalText(HFText(text, model.text_projection), tokens, length)
    return EncoderText(HFEncoder(text, model.text_projection), tokens, length)


def context_length(config: Any, tokenizer_length: int) -> int:
    """Return most tokens of a text: what the positions allow, and the tokenizer.

    SigLIP's texts fill all positions whatever their length.
    """
    text = config.text_config
    positions = int(text.max_position_embeddings)
    if config.model_type in _PADDED:
        return positions
    if config.model_type == "altclip":  # as in RoBERTa, positions are counted from the padding's
        positions -= int(text.pad_token_id) + 1
    return min(positions, tokenizer_length)


def check_end(config: Any, end: tuple[int, ...], name: str) -> None:
    """Refuse a tokenizer whose end token is not the one that the text tower is read at.

    The library would read such texts at their first token. CLIP's `eos_token_id` 2, of configs
    older than its correction, stands for the largest id of a text, which is the end token.

    Raises:
        ConfigError: naming both ids.
    """
    expected = config.text_config.eos_token_id
    old = config.model_type == "clip" and expected == 2
    if config.model_type in _CAUSAL and not old and end != (expected,):
        raise ConfigError(
            f"{name}: its text tower is read at the token {expected} (eos_token_id of "
            f"text_config), and its tokenizer ends texts with {list(end)}. Correct the config, or "
            "the tokenizer"
        )


def tower_size(config: Any) -> Size | None:
    """Return height and width of the images that the tower takes; None for any."""
    vision = config.vision_config
    if config.model_type == "align":  # convolutions; the image_size in the config is not used
        return None
    if config.model_type == "siglip2":
        side = int(vision.num_patches**0.5) * int(vision.patch_size)
    else:
        side = int(vision.image_size)
    return side, side


def logits_of(model: Any) -> Logits:
    """Return the factor on cosines, and SigLIP's bias.

    The library keeps the factor as a logarithm, ALIGN's as a temperature that logits are divided
    by.
    """
    if model.config.model_type == "align":
        return Logits(1 / model.temperature.detach(), None)
    bias = getattr(model, "logit_bias", None)
    return Logits(model.logit_scale.detach().exp(), None if bias is None else bias.detach())


def embed_dim(config: Any) -> int:
    """Return E, width of the joint space."""
    if config.model_type in _PADDED:
        return int(config.vision_config.hidden_size)
    return int(config.projection_dim)
