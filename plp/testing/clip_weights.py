"""Seeded random CLIP weights in OpenAI's layout, the same on every machine.

The parity fixtures were computed with weights of this recipe: one numpy PCG64 stream, parameters
drawn in the order of their sorted names, each scaled by what it is. torch's generators are not
promised to agree between versions; this one is a few lines of numpy.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

CONTEXT_LENGTH = 77
VOCABULARY = 49408
HEAD_WIDTH = 64


class ClipSize(NamedTuple):
    """Sizes of a CLIP with two transformer towers."""

    embed: int
    image: int
    patch: int
    vision_width: int
    vision_layers: int
    text_width: int
    text_layers: int

    def model_config(self, quick_gelu: bool = True) -> dict[str, Any]:
        """Return the open_clip model config of this size."""
        vision = {
            "image_size": self.image,
            "patch_size": self.patch,
            "width": self.vision_width,
            "layers": self.vision_layers,
            "head_width": HEAD_WIDTH,
        }
        text = {
            "context_length": CONTEXT_LENGTH,
            "vocab_size": VOCABULARY,
            "width": self.text_width,
            "heads": self.text_width // HEAD_WIDTH,
            "layers": self.text_layers,
        }
        return {
            "embed_dim": self.embed,
            "quick_gelu": quick_gelu,
            "vision_cfg": vision,
            "text_cfg": text,
        }


TINY = ClipSize(64, 96, 16, 128, 4, 128, 4)
VIT_B_16 = ClipSize(512, 224, 16, 768, 12, 512, 12)


def parameter_shapes(size: ClipSize) -> dict[str, tuple[int, ...]]:
    """Return the shape of each parameter but `logit_scale`, by OpenAI's names."""
    grid = size.image // size.patch
    width = size.vision_width
    shapes: dict[str, tuple[int, ...]] = {
        "positional_embedding": (CONTEXT_LENGTH, size.text_width),
        "token_embedding.weight": (VOCABULARY, size.text_width),
        "text_projection": (size.text_width, size.embed),
        "visual.class_embedding": (width,),
        "visual.conv1.weight": (width, 3, size.patch, size.patch),
        "visual.positional_embedding": (grid * grid + 1, width),
        "visual.proj": (width, size.embed),
        **_affine("ln_final", (size.text_width,)),
        **_affine("visual.ln_pre", (width,)),
        **_affine("visual.ln_post", (width,)),
    }
    for layer in range(size.vision_layers):
        shapes |= _block(f"visual.transformer.resblocks.{layer}", width)
    for layer in range(size.text_layers):
        shapes |= _block(f"transformer.resblocks.{layer}", size.text_width)
    return shapes


def clip_weights(size: ClipSize = TINY, seed: int = 0) -> dict[str, np.ndarray]:
    """Draw all parameters as float32 arrays; the logit scale is ln 100, as in trained CLIP."""
    rng = np.random.Generator(np.random.PCG64(seed))
    arrays = {
        name: _draw(rng, name, shape) for name, shape in sorted(parameter_shapes(size).items())
    }
    return {**arrays, "logit_scale": np.asarray(np.log(100.0), dtype=np.float32)}


def state_dict(arrays: Mapping[str, np.ndarray]) -> dict[str, torch.Tensor]:
    """Return arrays as tensors."""
    return {name: torch.from_numpy(array.copy()) for name, array in arrays.items()}


def write_clip_weights(path: Path | str, size: ClipSize = TINY, seed: int = 0) -> Path:
    """Save the weights as a plain torch state dict and return its path."""
    torch.save(state_dict(clip_weights(size, seed)), path)
    return Path(path)


def _affine(name: str, shape: tuple[int, ...]) -> dict[str, tuple[int, ...]]:
    return {f"{name}.weight": shape, f"{name}.bias": shape[:1]}


def _block(name: str, width: int) -> dict[str, tuple[int, ...]]:
    return {
        f"{name}.attn.in_proj_weight": (3 * width, width),
        f"{name}.attn.in_proj_bias": (3 * width,),
        **_affine(f"{name}.attn.out_proj", (width, width)),
        **_affine(f"{name}.ln_1", (width,)),
        **_affine(f"{name}.ln_2", (width,)),
        **_affine(f"{name}.mlp.c_fc", (4 * width, width)),
        **_affine(f"{name}.mlp.c_proj", (width, 4 * width)),
    }


def _draw(rng: np.random.Generator, name: str, shape: tuple[int, ...]) -> np.ndarray:
    """Draw one parameter: norms near one, embeddings of 0.5, matrices of variance 1 / inputs."""
    normal = rng.standard_normal(shape).astype(np.float32)
    owner, _, kind = name.rpartition(".")
    if owner.rpartition(".")[2].startswith("ln_"):
        drawn = normal * 0.05 + (1.0 if kind == "weight" else 0.0)
    elif name.endswith("bias"):
        drawn = normal * 0.05
    elif "embedding" in name:
        drawn = normal * 0.5
    else:
        stored_by_output = name.endswith("weight")  # in_proj_weight, conv1.weight, c_fc.weight
        inputs = int(np.prod(shape[1:])) if stored_by_output else shape[0]
        drawn = normal * float(inputs) ** -0.5
    return drawn.astype(np.float32)
