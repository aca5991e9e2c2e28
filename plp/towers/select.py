"""The reader that fits a tower: a line for each family."""

from collections.abc import Callable, Mapping
from typing import Any

from open_clip.hf_model import HFTextEncoder
from open_clip.modified_resnet import ModifiedResNet
from open_clip.timm_model import TimmModel
from open_clip.transformer import VisionTransformer
from torch import nn

from plp.errors import ConfigError
from plp.towers.openclip_text import OpenCLIPText
from plp.towers.openclip_vit import OpenCLIPViT
from plp.towers.pooled import PooledOnly
from plp.towers.resnet import ResNetTower
from plp.towers.streams import TransformerStreams
from plp.towers.text import TextTower
from plp.towers.text_causal import CausalText
from plp.towers.text_encoder import EncoderText, OpenCLIPEncoder
from plp.towers.text_mask import TextMask
from plp.towers.text_whole import WholeText
from plp.towers.timm_map import FeatureMap
from plp.towers.timm_vit import TimmViT, why_not_read
from plp.towers.tokens import CLIPTokens, HFTokens, NoTokens, Tokens
from plp.towers.vision import VisionTower

CLIP_VOCABULARY = 49408  # of CLIP's byte-pair encoding, start and end token included


def read_tower(visual: nn.Module, alias_first_block: bool) -> VisionTower:
    """Return the reader of an open_clip image tower.

    Args:
        visual: The tower, `model.visual`.
        alias_first_block: See `TransformerStreams`.

    Raises:
        ConfigError: for a tower whose pooled feature open_clip itself does not define.
    """
    if isinstance(visual, ModifiedResNet):
        return ResNetTower(visual)
    if isinstance(visual, VisionTransformer):
        if getattr(visual, "attn_pool_contrastive", None) is not None:
            raise ConfigError(
                f"attentional_pool={visual.attn_pool_type!r}: open_clip's towers with two poolers "
                "give a feature per query and no pooled one. Use attentional_pool=True"
            )
        return TransformerStreams(OpenCLIPViT(visual), alias_first_block)
    if isinstance(visual, TimmModel):
        return read_timm(visual.trunk, visual.head, alias_first_block)
    return PooledOnly(visual, f"its image tower, {type(visual).__name__}, is not known to plp")


def read_timm(trunk: nn.Module, head: nn.Sequential | None, alias_first_block: bool) -> VisionTower:
    """Return the reader of a timm model, alone or with open_clip's head behind it."""
    if head is not None and hasattr(head, "pool"):
        return PooledOnly(
            nn.Sequential(trunk, head),
            "open_clip's attention pooling of a timm map looks at all its places at once",
        )
    why = why_not_read(trunk)
    if why is not None:
        return FeatureMap(trunk, head, why)
    return TransformerStreams(TimmViT(trunk, head), alias_first_block)


def read_text(
    model: Any,
    text_config: Mapping[str, Any],
    cache_dir: str | None = None,
    before_opening: Callable[[str], None] = lambda name: None,
) -> TextTower:
    """Return the reader of an open_clip text tower.

    Args:
        model: `open_clip.CLIP`, whose text tower's parts are attributes of the model, or a model
            with `text`.
        text_config: The `text_cfg` of its open_clip config.
        cache_dir: Where the hub's files are stored; None for the usual cache.
        before_opening: See `HFTokens`.
    """
    tower = getattr(model, "text", model)
    name = text_config.get("hf_tokenizer_name")
    options = text_config.get("tokenizer_kwargs")
    tokens: Tokens = CLIPTokens(options)
    if name:
        tokens = HFTokens(name, options, cache_dir, before_opening)
    length = int(text_config.get("context_length", 77))
    if isinstance(tower, HFTextEncoder):
        return EncoderText(OpenCLIPEncoder(tower), tokens, length)
    vocabulary = tower.token_embedding.num_embeddings
    if isinstance(tokens, CLIPTokens) and vocabulary < CLIP_VOCABULARY:
        tokens = NoTokens(
            f"the text tower knows {vocabulary} tokens, and CLIP's byte-pair encoding has "
            f"{CLIP_VOCABULARY}. Set vocab_size, or name a tokenizer (hf_tokenizer_name)"
        )
    pool = str(getattr(tower, "text_pool_type", None) or getattr(tower, "pool_type", "argmax"))
    causal = getattr(tower, "attn_mask", None) is not None
    appended = getattr(tower, "cls_emb", None) is not None
    if causal and not appended and pool in ("argmax", "eos"):
        return CausalText(OpenCLIPText(tower), tokens, length)
    mask = TextMask(
        causal,
        padding=bool(getattr(tower, "use_pad_mask", False)),
        class_sees_itself=bool(getattr(tower, "correct_cls_mask", True)),
    )
    return WholeText(OpenCLIPText(tower), tokens, length, pool, mask)
