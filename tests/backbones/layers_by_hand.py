"""Towers of the transformers library as a loop over its own layers, with what acts on them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from backbones.test_transformers_backbone import PADDED, inputs_of
from torch import Tensor

Residual = Callable[[Tensor, Tensor], Tensor]


@dataclass
class Plan:
    """What acts: tokens by block, put in behind `at` own ones, and residuals by block and part."""

    extra: Mapping[int, Tensor] = field(default_factory=dict)
    at: int = 0
    until: int | None = None
    before_first_norm: bool = False
    replaced: Mapping[int, Tensor] = field(default_factory=dict)
    replaced_at: int = 0
    residuals: Mapping[tuple[int, str], Residual] = field(default_factory=dict)


def image_features(model: Any, images: Tensor, plan: Plan) -> Tensor:
    vision, inputs = model.vision_model, inputs_of(model, images)
    pixels = inputs["pixel_values"]
    if "spatial_shapes" in inputs:  # NaFlex
        x = vision.embeddings(pixels, inputs["spatial_shapes"])
    else:
        x = vision.embeddings(pixels)
    count = 0
    if plan.before_first_norm:
        x, count = put_in(x, plan, 0, 0)
    if hasattr(vision, "pre_layrnorm"):
        x = vision.pre_layrnorm(x)
    x = loop(vision.encoder.layers, x, plan, count, causal=False)
    if model.config.model_type in PADDED:
        return vision.head(vision.post_layernorm(x))
    return model.visual_projection(vision.post_layernorm(x[:, 0]))


def text_features(model: Any, ids: Tensor, ends: Tensor, plan: Plan) -> Tensor:
    """Return features of texts whose end tokens stand at `ends`; padding counts without a mask."""
    text, padded = model.text_model, model.config.model_type in PADDED
    x = loop(text.encoder.layers, text.embeddings(input_ids=ids), plan, 0, causal=not padded)
    if padded:
        return text.head(text.final_layer_norm(x)[:, -1])
    return model.text_projection(text.final_layer_norm(x)[torch.arange(len(x)), ends])


def put_in(x: Tensor, plan: Plan, block: int, count: int) -> tuple[Tensor, int]:
    """Return tokens with those of a block in the place of the extra ones, and how many they are."""
    own = torch.cat([x[:, : plan.at], x[:, plan.at + count :]], dim=1)
    if block not in plan.extra:
        return own, 0
    new = plan.extra[block]
    new = new[:, 0] if new.ndim == 4 else new
    new = new.expand(len(x), -1, -1)
    return torch.cat([own[:, : plan.at], new, own[:, plan.at :]], dim=1), new.shape[1]


def loop(layers: Any, x: Tensor, plan: Plan, count: int, causal: bool) -> Tensor:
    """Run all layers and return the tower's own tokens."""
    for block, layer in enumerate(layers):
        if (block in plan.extra and not (block == 0 and plan.before_first_norm)) or (
            block == plan.until
        ):
            x, count = put_in(x, plan, block, count)
        if block in plan.replaced:
            new, at = plan.replaced[block], plan.replaced_at
            at += count if at >= plan.at else 0
            x = torch.cat([x[:, :at], new.expand(len(x), -1, -1), x[:, at + len(new) :]], dim=1)
        size = x.shape[1]
        mask = torch.full((1, 1, size, size), -torch.inf).triu(1) if causal else None
        x = layer_with(layer, x, mask, {p: r for (b, p), r in plan.residuals.items() if b == block})
    return put_in(x, plan, len(layers), count)[0]


def layer_with(
    layer: Any, x: Tensor, mask: Tensor | None, residuals: Mapping[str, Residual]
) -> Tensor:
    if not residuals:
        return layer(x, attention_mask=mask)
    normed = layer.layer_norm1(x)
    y = x + layer.self_attn(hidden_states=normed, attention_mask=mask)[0]
    if "attention" in residuals:
        y = y + residuals["attention"](x, normed)
    read = layer.layer_norm2(y)
    out = y + layer.mlp(read)
    if "mlp" in residuals:
        out = out + residuals["mlp"](y, read)
    return out + residuals["block"](x, normed) if "block" in residuals else out
