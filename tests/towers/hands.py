"""Each library's own weights as the plain functions that `by_hand` puts together."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from towers.by_hand import Hand, Layer
from towers.image_cases import images


def linear(weight: Tensor, bias: Tensor | None) -> Callable[[Tensor], Tensor]:
    w = weight.double()
    b = torch.zeros(len(w)).double() if bias is None else bias.double()
    return lambda x: x @ w.T + b


def normed(norm: Any) -> Callable[[Tensor], Tensor]:
    def apply(x: Tensor) -> Tensor:
        centred = x - x.mean(-1, keepdim=True)
        size = (centred.square().mean(-1, keepdim=True) + norm.eps).sqrt()
        return centred / size * norm.weight.double() + norm.bias.double()

    return apply


def scale_of(holder: Any, name: str = "gamma") -> Tensor:
    return getattr(holder, name, torch.ones(())).double()


def packed(weight: Tensor, bias: Tensor) -> list[Callable[[Tensor], Tensor]]:
    width = len(weight) // 3
    rows = [slice(part * width, (part + 1) * width) for part in range(3)]
    return [linear(weight[part], bias[part]) for part in rows]


def mlp_of(norm, first, act, second, scale=1.0) -> Callable[[Tensor], Tensor]:
    inner, fc1 = normed(norm), linear(first.weight, first.bias)
    fc2 = linear(second.weight, second.bias)
    return lambda x: scale * fc2(act(fc1(inner(x))))


def gelu(x: Tensor) -> Tensor:
    return x * 0.5 * (1 + torch.erf(x / 2**0.5))


def quick_gelu(x: Tensor) -> Tensor:
    return x / (1 + torch.exp(-1.702 * x))


def tanh_gelu(x: Tensor) -> Tensor:
    return 0.5 * x * (1 + torch.tanh((2 / torch.pi) ** 0.5 * (x + 0.044715 * x**3)))


# ------------------------------------------------------------------------------------- the families


def open_clip_vit(network: Any) -> Hand:
    patches = network.conv1(images()).flatten(2).transpose(1, 2)
    first = network.class_embedding.expand(2, 1, -1)
    x = torch.cat([first, patches], dim=1) + network.positional_embedding
    layers = []
    for block in network.transformer.resblocks:
        scale, later = scale_of(block.ls_1), scale_of(block.ls_2)
        out = linear(block.attn.out_proj.weight, block.attn.out_proj.bias)
        layers.append(Layer(
            normed(block.ln_1), *packed(block.attn.in_proj_weight, block.attn.in_proj_bias),
            lambda mixed, out=out, scale=scale: scale * out(mixed),
            mlp_of(block.ln_2, block.mlp.c_fc, gelu, block.mlp.c_proj, later),
            block.attn.num_heads,
        ))  # fmt: skip
    projection = linear(network.proj.T, None)
    return Hand(F.layer_norm(x, x.shape[-1:], network.ln_pre.weight, network.ln_pre.bias), layers,
                normed(network.ln_post), 1, projection)  # fmt: skip


def pooled_open_clip_vit(network: Any) -> Hand:
    """CoCa's pooler: a key alone has weight 1, and is its own value."""
    hand, pooler = open_clip_vit(network), network.attn_pool
    value = linear(pooler.attn.v_proj_weight, pooler.attn.in_proj_bias[-len(network.proj) :])
    out, before = (
        linear(pooler.attn.out_proj.weight, pooler.attn.out_proj.bias),
        normed(pooler.ln_k),
    )
    after, projection = normed(network.ln_post), linear(network.proj.T, None)
    return hand._replace(norm=lambda x: x, joint=lambda x: projection(after(out(value(before(x))))))


def timm_layers(network: Any, turn: Callable[[Tensor], Tensor] = lambda part: part) -> list[Layer]:
    layers = []
    for block in network.blocks:
        attn = block.attn
        bias = attn.qkv.bias
        if getattr(attn, "q_bias", None) is not None:  # EVA: keys have none
            bias = torch.cat([attn.q_bias, torch.zeros_like(attn.q_bias), attn.v_bias])
        scale, later = scale_of(block, "gamma_1"), scale_of(block, "gamma_2")
        out = linear(attn.proj.weight, attn.proj.bias)
        layers.append(Layer(
            normed(block.norm1), *packed(attn.qkv.weight, bias),
            lambda mixed, out=out, scale=scale: scale * out(mixed),
            mlp_of(block.norm2, block.mlp.fc1, gelu, block.mlp.fc2, later),
            attn.num_heads, turn,
        ))  # fmt: skip
    return layers


def timm_start(network: Any) -> Tensor:
    x = network.patch_embed.proj(images()).flatten(2).transpose(1, 2)
    if network.cls_token is not None:
        x = torch.cat([network.cls_token.expand(2, -1, -1), x], dim=1)
    return x + network.pos_embed


def timm_vit(network: Any) -> Hand:
    head = linear(network.head.weight, network.head.bias)
    return Hand(timm_start(network), timm_layers(network), normed(network.norm), 1, head)


def siglip_of_timm(network: Any) -> Hand:
    """Attention pooling: a key alone has weight 1, whatever the latent asks for."""
    pool = network.attn_pool
    width = network.embed_dim
    value = linear(pool.kv.weight[width:], pool.kv.bias[width:])
    out, mlp = (
        linear(pool.proj.weight, pool.proj.bias),
        mlp_of(pool.norm, pool.mlp.fc1, gelu, pool.mlp.fc2),
    )
    head = linear(network.head.weight, network.head.bias)

    def joint(x: Tensor) -> Tensor:
        pooled = out(value(x))
        return head(pooled + mlp(pooled))

    return Hand(timm_start(network), timm_layers(network), normed(network.norm), 0, joint)


def eva(network: Any) -> Hand:
    """Pairs of neighbouring numbers of queries and keys of patches are turned by an angle."""
    sine, cosine = network.rope.get_embed().double().chunk(2, dim=-1)  # [P, d] each

    def turn(part: Tensor) -> Tensor:
        turned = part.clone()
        for patch in range(len(sine)):
            for i in range(0, part.shape[-1], 2):
                a, b = part[patch + 1, i], part[patch + 1, i + 1]
                s, c = sine[patch, i], cosine[patch, i]
                turned[patch + 1, i], turned[patch + 1, i + 1] = a * c - b * s, b * c + a * s
        return turned

    head, norm = linear(network.head.weight, network.head.bias), normed(network.fc_norm)
    layers = timm_layers(network, turn)  # without a norm of its own: that of the mean
    return Hand(timm_start(network), layers, lambda x: x, 1, lambda x: head(norm(x)))


def hub_layers(encoder: Any, act: Callable[[Tensor], Tensor]) -> list[Layer]:
    layers = []
    for layer in encoder.layers:
        attn = layer.self_attn
        parts = (attn.q_proj, attn.k_proj, attn.v_proj, attn.out_proj)
        layers.append(Layer(
            normed(layer.layer_norm1), *(linear(part.weight, part.bias) for part in parts),
            mlp_of(layer.layer_norm2, layer.mlp.fc1, act, layer.mlp.fc2), attn.num_heads,
        ))  # fmt: skip
    return layers


def hub_start(embeddings: Any, first: Tensor | None) -> Tensor:
    kernel = embeddings.patch_embedding
    patches = F.conv2d(images(), kernel.weight, kernel.bias, stride=kernel.stride)
    x = patches.flatten(2).transpose(1, 2)
    if first is not None:
        x = torch.cat([first.expand(2, 1, -1), x], dim=1)
    return x + embeddings.position_embedding.weight


def hub_clip(network: Any) -> Hand:
    model, vision = network.model, network.model.vision_model
    start = hub_start(vision.embeddings, vision.embeddings.class_embedding)
    start = normed(vision.pre_layrnorm)(start.double())
    projection = linear(model.visual_projection.weight, None)
    layers = hub_layers(vision.encoder, quick_gelu)
    return Hand(start, layers, normed(vision.post_layernorm), 1, projection)


def hub_siglip(network: Any) -> Hand:
    vision = network.model.vision_model
    head, width = vision.head, vision.config.hidden_size
    value = linear(head.attention.in_proj_weight[-width:], head.attention.in_proj_bias[-width:])
    out = linear(head.attention.out_proj.weight, head.attention.out_proj.bias)
    mlp = mlp_of(head.layernorm, head.mlp.fc1, tanh_gelu, head.mlp.fc2)

    def joint(x: Tensor) -> Tensor:
        pooled = out(value(x))
        return pooled + mlp(pooled)

    layers = hub_layers(vision.encoder, tanh_gelu)
    norm = normed(vision.post_layernorm)
    return Hand(hub_start(vision.embeddings, None), layers, norm, 0, joint)


HANDS: dict[str, Callable[[Any], Hand]] = {
    "clip": open_clip_vit,
    "layer scale": open_clip_vit,
    "attentional pooler": pooled_open_clip_vit,
    "timm": timm_vit,
    "timm, attention pool (SigLIP)": siglip_of_timm,
    "eva": eva,
    "hub: clip": hub_clip,
    "hub: siglip": hub_siglip,
}
