"""One pass over the ResNet of CLIP (attention pooling) that yields pooled and dense features."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from open_clip.modified_resnet import AttentionPool2d, ModifiedResNet
from torch import Tensor

from plp.structures import ImageFeatures
from plp.towers.attention import attend
from plp.towers.points import TowerPoints
from plp.towers.vision import VisionTower


class ResNetTower(VisionTower):
    """Pooled feature and dense streams of CLIP's ResNet.

    Its attention pool lets one query (the mean of the map) attend to the map, then applies an
    output projection c. That projection is CLIP's joint projection here: dense features are taken
    just before it, so that a projection head starts from what the pooled feature starts from, and
    `project` applies c with its bias.

    - `value` (LoCoOp): values of the feature map, without positional embedding as in its code.
    - `tokens` (PLOT): every position queries the attention pool, positions embedded.

    Args:
        visual: open_clip's tower.
    """

    streams = ("value", "tokens")

    def __init__(self, visual: ModifiedResNet) -> None:
        self.visual = visual
        self.dense_dim = visual.attnpool.v_proj.out_features
        self.sealed = "a ResNet has no blocks of attention and MLP"
        self.refusals = {
            "vv": "v-v attention runs through all blocks of a vision transformer, "
            "and the only attention of a ResNet is its pooling ('value' is the nearest kin)"
        }

    def encode(
        self,
        images: Float[Tensor, "B 3 H X"],
        streams: Sequence[str],
        points: TowerPoints | None = None,
    ) -> ImageFeatures:
        """Encode images of the tower's own size."""
        self._refuse(points)
        visual = self.visual
        x = visual.stem(images)
        for layer in (visual.layer1, visual.layer2, visual.layer3, visual.layer4):
            x = layer(x)
        rows, columns = x.shape[-2:]
        patches = x.flatten(2).transpose(1, 2)  # [B, P, W]
        queries = 1 + rows * columns if "tokens" in streams else 1
        attended = _attention_pool(visual.attnpool, patches, queries)
        found = {"tokens": attended[:, 1:]}
        if "value" in streams:
            found["value"] = visual.attnpool.v_proj(patches)
        pooled = self.project(attended[:, :1])[:, 0]
        return ImageFeatures(pooled, {name: found[name] for name in streams}, (rows, columns))

    def project(self, dense: Float[Tensor, "B P W"]) -> Float[Tensor, "B P E"]:
        """Apply the output projection of the attention pool."""
        return self.visual.attnpool.c_proj(dense)


def _attention_pool(
    pool: AttentionPool2d, patches: Float[Tensor, "B P W"], queries: int
) -> Float[Tensor, "B Q W"]:
    """Let the first `queries` of (mean, patches) attend to all, before the output projection."""
    x = torch.cat([patches.mean(dim=1, keepdim=True), patches], dim=1)
    x = x + pool.positional_embedding.to(x.dtype)
    return attend(pool.q_proj(x[:, :queries]), pool.k_proj(x), pool.v_proj(x), pool.num_heads)
