"""Sizes of open_clip's models, read from a config and from the names and shapes of weights.

Both are read into the same entries, so that weights of unknown origin can be compared with all of
open_clip's archs without building one. What is not read from one of the two says nothing.
"""

import re
from collections.abc import Mapping
from typing import Any

from torch import Tensor

Sizes = dict[str, Any]


def sizes_of_config(config: Mapping[str, Any]) -> Sizes:
    """Return the sizes of an open_clip model config; defaults are open_clip's own.

    Example:
        >>> sizes_of_config(dict(embed_dim=8, vision_cfg=dict(layers=2), text_cfg=dict(width=64)))
        ... # doctest: +NORMALIZE_WHITESPACE
        {'embed_dim': 8, 'vision': 'vit', 'vision_width': 768, 'vision_layers': 2, 'patch': 16,
         'text': 'open_clip', 'text_width': 64, 'text_layers': 12, 'vocabulary': 49408}
    """
    vision, text = config.get("vision_cfg") or {}, config.get("text_cfg") or {}
    sizes: Sizes = {"embed_dim": config.get("embed_dim")}
    layers = vision.get("layers", 12)
    if vision.get("timm_model_name"):
        sizes["vision"] = "timm"
    elif isinstance(layers, list | tuple):
        sizes |= {"vision": "resnet", "vision_layers": tuple(layers)}
        sizes |= {"vision_width": vision.get("width", 64)}
    else:
        sizes |= {"vision": "vit", "vision_width": vision.get("width", 768)}
        sizes |= {"vision_layers": layers, "patch": vision.get("patch_size", 16)}
    if text.get("hf_model_name"):
        return sizes | {"text": "transformers"}
    return sizes | {
        "text": "open_clip",
        "text_width": text.get("width", 512),
        "text_layers": text.get("layers", 12),
        "vocabulary": text.get("vocab_size", 49408),
    }


def sizes_of_weights(state: Mapping[str, Tensor]) -> Sizes:
    """Return what names and shapes of weights tell; entries that they do not tell are left out."""
    shapes = {name.removeprefix("text."): tuple(value.shape) for name, value in state.items()}
    sizes = _of_vision(shapes)
    embedding = shapes.get("token_embedding.weight", ())
    if len(embedding) == 2:
        sizes |= {"text": "open_clip", "vocabulary": embedding[0], "text_width": embedding[1]}
        sizes |= {"text_layers": _blocks(shapes, r"transformer\.resblocks\.(\d+)\.")}
    elif any(name.startswith("text.transformer.") for name in state):
        sizes["text"] = "transformers"
    projected = shapes.get("text_projection") or shapes.get("text_projection.weight", ())[::-1]
    projected = projected or shapes.get("visual.proj", ())
    return sizes | ({"embed_dim": projected[-1]} if len(projected) == 2 else {})


def _of_vision(shapes: Mapping[str, tuple[int, ...]]) -> Sizes:
    first = shapes.get("visual.conv1.weight", ())
    if any(name.startswith("visual.trunk.") for name in shapes):
        return {"vision": "timm"}
    if len(first) != 4:
        return {}
    if "visual.class_embedding" in shapes:
        layers = _blocks(shapes, r"visual\.transformer\.resblocks\.(\d+)\.")
        return {
            "vision": "vit", "vision_width": first[0], "vision_layers": layers, "patch": first[-1],
        }  # fmt: skip
    by_part = tuple(_blocks(shapes, rf"visual\.layer{part}\.(\d+)\.") for part in range(1, 5))
    return {"vision": "resnet", "vision_width": 2 * first[0], "vision_layers": by_part}


def _blocks(shapes: Mapping[str, Any], pattern: str) -> int:
    """Return the number of blocks, one more than the highest number in their names."""
    found = (re.match(pattern, name) for name in shapes)
    return 1 + max((int(match[1]) for match in found if match), default=-1)
