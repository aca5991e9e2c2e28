"""The smallest backbone of each family, both towers: the rows that methods and laws run over.

Image towers are rows of `image_cases`, text towers rows of `text_cases`; a family is a pair of them
as open_clip builds it.
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import timm
import torch
from timm.models.fastvit import FastVit
from torch import nn
from towers.image_cases import MAPS, PLAIN, SIDE
from towers.text_cases import CASES

from plp.backbones import OpenCLIPBackbone
from plp.backbones.base import Backbone

WIDTH = 32  # of the joint space; that of the timm towers, which have no projection of their own
VIT = {"image_size": SIDE, "patch_size": 16, "width": 32, "layers": 2, "head_width": 16}
RESNET = {"image_size": SIDE, "layers": [1, 1, 1, 1], "width": 8, "head_width": 64}
TEXT = {"width": 32, "heads": 2, "layers": 2, "context_length": 48}
POOLER = {"attentional_pool": True, "attn_pooler_queries": 4, "attn_pooler_heads": 4}
SMALL_FAST = partial(
    FastVit, layers=(1, 1, 1, 1), embed_dims=(8, 16, 32, 32), mlp_ratios=(2, 2, 2, 2)
)


def timm_tower(name: str, build: Callable[..., nn.Module], pool: str) -> dict[str, Any]:
    """Return the `vision_cfg` of a timm tower that is registered here under a name."""

    def entry(pretrained: bool = False, **options: Any) -> nn.Module:
        known = {key: options[key] for key in ("num_classes", "global_pool") if key in options}
        return build(**known)

    entry.__name__, entry.__module__ = f"plp_test_{name}", __name__
    if not timm.is_model(entry.__name__):
        timm.models.register_model(entry)
    return {
        "timm_model_name": entry.__name__, "timm_pool": pool, "timm_proj": "none",
        "image_size": SIDE,
    }  # fmt: skip


PROJECTED = {"timm_proj": "linear"}
FAST = {"timm_proj": "", "timm_pool": "avg"}
FAMILIES: dict[str, tuple[Callable[[], dict[str, Any]], str]] = {
    "CLIP": (lambda: VIT, "clip"),
    "CLIP, ResNet": (lambda: RESNET, "clip"),
    "CLIPA": (lambda: {**VIT, "pool_type": "avg", "final_ln_after_pool": True}, "CLIPA"),
    "CoCa": (lambda: {**VIT, **POOLER}, "class token appended, published mask (CoCa)"),
    "SigLIP": (
        partial(timm_tower, "siglip", PLAIN["timm, attention pool (SigLIP)"], "map"), "SigLIP"
    ),
    "SigLIP2": (
        partial(timm_tower, "siglip2", PLAIN["timm, attention pool (SigLIP)"], "map"), "SigLIP2"
    ),
    "EVA02": (partial(timm_tower, "eva", PLAIN["eva"], "token"), "clip"),
    "Perception Encoder": (
        partial(timm_tower, "pe", PLAIN["perception encoder"], "map"), "clip"
    ),
    "ViTamin": (lambda: timm_tower("vitamin", PLAIN["vitamin"], "") | PROJECTED, "clip"),
    "MobileCLIP-B": (
        lambda: timm_tower("mci", PLAIN["mobileclip-b"], "token") | {"timm_proj": ""}, "clip"
    ),
    "MobileCLIP2": (
        lambda: timm_tower("fastvit", SMALL_FAST, "avg") | FAST,
        "not causal, read at the end token (MobileCLIP2)",
    ),
    "ConvNeXt": (partial(timm_tower, "convnext", MAPS["convnext"], "avg"), "clip"),
    "Swin": (partial(timm_tower, "swin", MAPS["swin"], "avg"), "clip"),
    "BERT text": (partial(timm_tower, "vit", PLAIN["timm"], "token"), "BERT"),
    "RoBERTa text": (lambda: VIT, "RoBERTa"),
    "XLM-RoBERTa text": (lambda: VIT, "XLM-RoBERTa"),
    "mT5 text": (lambda: VIT, "mT5"),
    "NLLB text": (lambda: VIT, "NLLB"),
}  # fmt: skip

# Rows of the default run: causal and whole texts, an encoder; all streams, and the map alone.
FEW = ("CLIP", "SigLIP", "MobileCLIP2", "BERT text")


def build_family(name: str, folder: Path) -> Backbone:
    """Build the smallest backbone of a family, with every weight drawn anew."""
    vision, text = FAMILIES[name]
    config = {
        "embed_dim": WIDTH, "vision_cfg": vision(), "text_cfg": {**TEXT, **CASES[text](folder)},
        "custom_text": True,
    }  # fmt: skip
    if name.startswith("SigLIP"):
        config |= {"init_logit_bias": -10.0}
    built = OpenCLIPBackbone("tiny", None, model_config=config, quick_gelu=False)
    generator = torch.Generator().manual_seed(0)
    for _, parameter in sorted(built.model.named_parameters()):  # nothing stays at zero or one
        if parameter.ndim:
            parameter.add_(0.1 * torch.randn(parameter.shape, generator=generator))
    return built
