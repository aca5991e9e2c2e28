"""Vision transformers of the transformers library: CLIP-like, SigLIP-like and NaFlex."""

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from plp.towers.block import Block
from plp.towers.half_copy import HalfCopy
from plp.towers.hf_block import HFBlock
from plp.towers.image import ImageTower
from plp.towers.parts import require_plain


class _HFViT(ImageTower):
    """What the two kinds share: layers, and a last norm that all tokens may go through.

    Args:
        vision: The vision model.
        parts: What else belongs to the tower, by name.
        side: Rows of patches, as many as columns.
    """

    roots = ("parts",)

    def __init__(self, vision: Any, parts: dict[str, nn.Module], side: int) -> None:
        self.parts: Any = nn.ModuleDict({"vision_model": vision, **parts})
        self.width = int(vision.config.hidden_size)
        self.grid = (side, side)
        self._half = HalfCopy()

    def blocks(self, device: torch.device) -> Sequence[Block]:
        """Return a reader of each layer."""
        encoder: Any = self._half.of(self.parts.vision_model.encoder, device)
        return [HFBlock(layer) for layer in encoder.layers]

    def finish(self, tokens: Float[Tensor, "B P W"]) -> Float[Tensor, "B P W"]:
        """Apply the last norm; CLIP's models apply it to the class token alone."""
        return self.parts.vision_model.post_layernorm(tokens)


class HFClipViT(_HFViT):
    """Reader of CLIP's vision model, and of AltCLIP's, ChineseCLIP's and MetaCLIP 2's.

    Args:
        vision: The vision model.
        projection: The joint projection of its class token.
    """

    prefix = 1
    pooled_rows = 1

    def __init__(self, vision: Any, projection: nn.Module) -> None:
        side = int(vision.config.image_size) // int(vision.config.patch_size)
        super().__init__(vision, {"visual_projection": projection}, side)

    def embed(self, images: Float[Tensor, "B 3 H X"]) -> Float[Tensor, "B L W"]:
        """Patches behind the class token, positions added."""
        return self.parts.vision_model.embeddings(images)

    def first_norm(self, tokens: Float[Tensor, "B L W"]) -> Float[Tensor, "B L W"]:
        """Apply the norm in front of the first block."""
        return self.parts.vision_model.pre_layrnorm(tokens)  # as the library spells it

    def pool(self, tokens: Float[Tensor, "B L W"]) -> Float[Tensor, "B E"]:
        """Norm and project the class token."""
        return self.parts.visual_projection(self.parts.vision_model.post_layernorm(tokens[:, 0]))

    def project(self, dense: Float[Tensor, "B P W"]) -> Float[Tensor, "B P E"]:
        """Apply the joint projection."""
        return self.parts.visual_projection(dense)


class HFSiglipViT(_HFViT):
    """Reader of SigLIP's vision model: no class token, attention pooling, no projection.

    SigLIP 2's NaFlex model takes patches of images of any shape; here it runs at one size, the
    square that its position table was made for: no padding, nothing to interpolate.

    Args:
        vision: The vision model.
    """

    prefix = 0
    pooled_rows = None

    def __init__(self, vision: Any) -> None:
        side = int(vision.embeddings.position_embedding.num_embeddings**0.5)
        super().__init__(vision, {}, side)

    def embed(self, images: Float[Tensor, "B 3 H X"]) -> Float[Tensor, "B L W"]:
        """Patches, positions added."""
        embeddings = self.parts.vision_model.embeddings
        if not isinstance(embeddings.patch_embedding, nn.Linear):
            return embeddings(images)
        patches = _cut(images, self.grid, int(embeddings.patch_size))
        shapes = torch.tensor([self.grid], device=images.device).expand(len(images), -1)
        return embeddings(patches, shapes)

    def pool(self, tokens: Float[Tensor, "B L W"]) -> Float[Tensor, "B E"]:
        """Let the head's query attend to all patches."""
        return self.parts.vision_model.head(self.parts.vision_model.post_layernorm(tokens))

    def project(self, dense: Float[Tensor, "B P W"]) -> Float[Tensor, "B P E"]:
        """Send each patch through the pooling head, as its only key."""
        head = self.parts.vision_model.head
        attention = require_plain(head.attention, nn.MultiheadAttention)
        width = attention.embed_dim
        value = F.linear(
            dense, attention.in_proj_weight[2 * width :], attention.in_proj_bias[2 * width :]
        )
        pooled = attention.out_proj(value)
        return pooled + head.mlp(head.layernorm(pooled))


def _cut(
    images: Float[Tensor, "B 3 H X"], grid: tuple[int, int], side: int
) -> Float[Tensor, "B P V"]:
    """Cut patches out, each row by row, with the channels of a pixel side by side."""
    cut = images.unflatten(2, (grid[0], side)).unflatten(4, (grid[1], side))
    return cut.permute(0, 2, 4, 3, 5, 1).flatten(3).flatten(1, 2)
