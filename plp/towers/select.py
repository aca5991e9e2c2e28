"""The reader that fits an image tower: one line for each family."""

from open_clip.modified_resnet import ModifiedResNet
from open_clip.timm_model import TimmModel
from open_clip.transformer import VisionTransformer
from torch import nn

from plp.errors import ConfigError
from plp.towers.openclip_vit import OpenCLIPViT
from plp.towers.pooled import PooledOnly
from plp.towers.resnet import ResNetTower
from plp.towers.streams import TransformerStreams
from plp.towers.timm_map import FeatureMap
from plp.towers.timm_vit import TimmViT, why_not_read
from plp.towers.vision import VisionTower


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
