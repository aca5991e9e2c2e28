"""Tiny image towers of each family: the rows that every law and oracle of image towers runs over.

A family added to `plp.towers.select` gets a row here.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import timm
import torch
from backbones.hf_folders import make_model
from open_clip.transformer import LayerNorm, VisionTransformer
from timm.models.convnext import ConvNeXt
from timm.models.eva import Eva
from timm.models.swin_transformer import SwinTransformer
from timm.models.vision_transformer import ResPostBlock
from timm.models.vision_transformer import VisionTransformer as TimmTransformer
from timm.models.vision_transformer_hybrid import ConvStem, HybridEmbed
from timm.models.vision_transformer_relpos import VisionTransformerRelPos
from timm.models.vitamin import VitCfg, VitConvCfg
from torch import nn

from plp.backbones._hf_model import read_vision
from plp.towers.select import read_timm, read_tower
from plp.towers.vision import VisionTower

SIDE = 64  # two places on a map of stride 32, so that every tower has several patches
TIMM = {"img_size": SIDE, "patch_size": 16, "embed_dim": 32, "depth": 3, "num_heads": 2}
TIMM["num_classes"] = 12
EVA = {**TIMM, "use_rot_pos_emb": True, "init_values": 0.3}


def open_clip_vit(**options: Any) -> nn.Module:
    sizes = dict(image_size=SIDE, patch_size=16, width=32, layers=3, heads=2, mlp_ratio=2.0)
    return VisionTransformer(**{**sizes, "output_dim": 12, "norm_layer": LayerNorm, **options})


def gated() -> nn.Module:
    network = TimmTransformer(**TIMM)
    for block in network.blocks:
        block.attn.gate = nn.Linear(TIMM["embed_dim"], block.attn.attn_dim)
    return network


def vitamin(**options: Any) -> nn.Module:
    """ViTamin's: stages of convolutions in front of blocks with a gated MLP; no class token."""
    norms = VitConvCfg(norm_layer="layernorm2d", norm_eps=1e-6)
    stages = VitCfg(
        embed_dim=(8, 16, 32), depths=(1, 1, 1), stem_width=8, conv_cfg=norms, head_type="1d"
    )
    sizes = {key: value for key, value in TIMM.items() if key != "patch_size"}
    return timm.create_model("vitamin_small_224", **{**sizes, "embed_cfg": stages, **options})


def mobileclip_b(**options: Any) -> nn.Module:
    """MobileCLIP-B's: three convolutions in the place of one; the class token has no position."""
    stem = ConvStem(
        channels=(8, 8, 32), stride=(4, 2, 2), kernel_size=(4, 2, 2), padding=0, act_layer=nn.GELU
    )
    hybrid = partial(HybridEmbed, backbone=stem, proj=False)
    sizes = {**TIMM, "patch_size": 1, "no_embed_class": True, "embed_layer": hybrid}
    return TimmTransformer(**{**sizes, **options})


POOLER = {"attentional_pool": True, "attn_pooler_queries": 4, "attn_pooler_heads": 4}
CUSTOM = {"qk_norm": True, "scale_heads": True, "scale_attn": True, "scale_fc": True}

OPEN_CLIP: dict[str, Callable[[], nn.Module]] = {
    "clip": open_clip_vit,
    "layer scale": partial(open_clip_vit, ls_init_value=0.3),
    "no first norm": partial(open_clip_vit, no_ln_pre=True, pos_embed_type="sin_cos_2d"),
    "mean of patches": partial(open_clip_vit, pool_type="avg"),
    "norm after the mean": partial(open_clip_vit, pool_type="avg", final_ln_after_pool=True),
    "norm after the class token": partial(open_clip_vit, final_ln_after_pool=True),
    "attentional pooler": partial(open_clip_vit, **POOLER),
    "attentional pooler, equal widths": partial(open_clip_vit, **POOLER, output_dim=32),
    "further norms": partial(open_clip_vit, **CUSTOM, scale_attn_inner=True),
}
PLAIN: dict[str, Callable[[], nn.Module]] = {
    "timm": partial(TimmTransformer, **TIMM),
    "timm, mean": partial(TimmTransformer, **TIMM, global_pool="avg", class_token=False),
    "timm, mean beside a class token": partial(TimmTransformer, **TIMM, global_pool="avg"),
    "timm, attention pool (SigLIP)": partial(
        TimmTransformer, **TIMM, global_pool="map", class_token=False
    ),
    "timm, registers": partial(TimmTransformer, **TIMM, reg_tokens=2, no_embed_class=True),
    "timm, first norm, scale": partial(TimmTransformer, **TIMM, pre_norm=True, init_values=0.2),
    "timm, norm of q and k": partial(TimmTransformer, **TIMM, qk_norm=True, qkv_bias=False),
    "timm, norms last": partial(
        TimmTransformer, **TIMM, block_fn=ResPostBlock, init_values=0.2, class_token=True
    ),
    "eva": partial(Eva, **EVA),
    "eva, single projections": partial(
        Eva, **EVA, qkv_fused=False, swiglu_mlp=True, scale_mlp=True, scale_attn_inner=True
    ),
    "eva, norms last": partial(Eva, **EVA, use_post_norm=True),
    "eva, mean, registers": partial(
        Eva, **EVA, global_pool="avg", num_reg_tokens=2, no_embed_class=True
    ),
    "eva, mixed rotations": partial(
        Eva, **EVA, rope_type="mixed", use_abs_pos_emb=False
    ),
    "perception encoder": partial(
        Eva, **TIMM, use_rot_pos_emb=True, attn_type="rope", global_pool="map",
        attn_pool_num_heads=2, attn_pool_mlp_ratio=2.0, use_pre_transformer_norm=True,
        rope_grid_offset=1.0, rope_grid_indexing="xy", ref_feat_shape=(4, 4),
    ),
    "vitamin": vitamin,
    "mobileclip-b": mobileclip_b,
    "dinov2": partial(timm.create_model, "vit_small_patch14_dinov2", **TIMM, init_values=0.2),
    "dinov2, registers, gated MLP": partial(
        timm.create_model, "vit_giant_patch14_reg4_dinov2", **TIMM, init_values=0.2
    ),
    "dinov3": partial(timm.create_model, "vit_small_patch16_dinov3", **TIMM),
    "dinov3, gated MLP, class token": partial(
        timm.create_model, "vit_small_plus_patch16_dinov3_qkvb", **TIMM, global_pool="token"
    ),
    "distilled": partial(
        timm.create_model, "deit_tiny_distilled_patch16_224", **{**TIMM, "num_classes": 0}
    ),
    "gated": gated,
    "fewer heads of keys": partial(
        Eva, **{**EVA, "num_heads": 4}, attn_type="rope", qkv_fused=False, num_kv_heads=2
    ),
    "relative positions": partial(VisionTransformerRelPos, **TIMM, class_token=True,
        global_pool="token"),
    "relative positions, mean": partial(VisionTransformerRelPos, **TIMM, init_values=0.3),
}  # fmt: skip
MAPS: dict[str, Callable[[], nn.Module]] = {
    "convnext": partial(
        ConvNeXt, num_classes=12, depths=(1, 1, 1, 1), dims=(8, 16, 24, 32), patch_size=4
    ),
    "swin": partial(
        SwinTransformer, img_size=SIDE, patch_size=4, embed_dim=16, depths=(1, 1), num_heads=(2, 2),
        window_size=4, num_classes=12,
    ),
    "efficientnet": partial(timm.create_model, "test_efficientnet", num_classes=12),
}  # fmt: skip

# Rows of the default run: each reader once, and each way to pool.
FEW = (
    "clip", "attentional pooler", "timm", "timm, attention pool (SigLIP)", "eva",
    "relative positions", "convnext", "hub: clip", "hub: siglip 2, naflex",
)  # fmt: skip


def shake(network: nn.Module) -> nn.Module:
    """Draw every parameter anew, so that no norm, scale, bias or position is at its start."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for name, parameter in sorted(network.named_parameters()):
            drawn = torch.randn(parameter.shape, generator=generator)
            matrix = parameter.ndim > 1 and not name.endswith(("pos_embed", "cls_token", "latent"))
            size = parameter[0].numel() ** -0.5 if matrix else 0.3
            near_one = name.endswith("weight") and parameter.ndim == 1
            parameter.copy_(drawn * size + (1.0 if near_one else 0.0))
    return network.eval()


def build_open_clip(name: str) -> tuple[nn.Module, VisionTower]:
    network = shake(OPEN_CLIP[name]())
    return network, read_tower(network, alias_first_block=False)


def build_timm(name: str) -> tuple[nn.Module, VisionTower]:
    network = shake((PLAIN | MAPS)[name]())
    return network, read_timm(network, None, alias_first_block=False)


LARGER = {"image_size": SIDE, "patch_size": 16, "num_hidden_layers": 3}
HUB: dict[str, dict[str, Any]] = {
    "hub: clip": LARGER,
    "hub: metaclip_2": LARGER,
    "hub: altclip": LARGER,
    "hub: chinese_clip": LARGER,
    "hub: siglip": LARGER,
    "hub: siglip 2, naflex": {"patch_size": 16, "num_hidden_layers": 3},
    "hub: align": {},
}


class HubImages(nn.Module):
    """The image side of a model of the transformers library, by its own calls."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(self, batch: torch.Tensor) -> torch.Tensor:
        return self.model.get_image_features(**self._inputs(batch)).pooler_output

    def forward_tokens(self, batch: torch.Tensor) -> torch.Tensor:
        """Return the last patches: CLIP's are normed by plp alone, SigLIP's by the library."""
        vision = self.model.vision_model
        last = vision(**self._inputs(batch)).last_hidden_state
        if last.ndim == 4:
            return last.flatten(2).transpose(1, 2)
        return last if hasattr(vision, "head") else vision.post_layernorm(last[:, 1:])

    def pool(self, tokens: torch.Tensor) -> torch.Tensor:
        """Pool finished patches."""
        vision = self.model.vision_model
        return vision.head(tokens) if hasattr(vision, "head") else tokens.mean(dim=1)

    def _inputs(self, batch: torch.Tensor) -> dict[str, torch.Tensor]:
        """Cut patches out for NaFlex: pixels row by row, channels last."""
        if self.model.config.model_type != "siglip2":
            return {"pixel_values": batch}
        side = self.model.config.vision_config.patch_size
        starts = range(0, SIDE, side)
        patches = torch.stack(
            [
                batch[:, :, r : r + side, c : c + side].movedim(1, -1).flatten(1)
                for r in starts
                for c in starts
            ],
            dim=1,
        )
        return {
            "pixel_values": patches,
            "pixel_attention_mask": torch.ones(patches.shape[:2], dtype=torch.long),
            "spatial_shapes": torch.tensor([[len(starts)] * 2] * len(batch)),
        }


def build_hub(name: str) -> tuple[nn.Module, VisionTower]:
    model = make_model(name.removeprefix("hub: "), vision=HUB[name])
    return HubImages(model), read_vision(model, alias_first_block=False)


def build(name: str) -> tuple[nn.Module, VisionTower]:
    """Return the library's network of a row, and plp's reader of it."""
    if name in HUB:
        return build_hub(name)
    return build_open_clip(name) if name in OPEN_CLIP else build_timm(name)


def images(side: int = SIDE) -> torch.Tensor:
    return torch.randn(2, 3, side, side, generator=torch.Generator().manual_seed(1))
