"""Encoders of the transformers library as text towers: BERT-like, T5, M2M100."""

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float, Int
from open_clip.hf_model import HFTextEncoder
from torch import Tensor, nn

from plp.errors import ConfigError
from plp.towers.half_copy import HalfCopy
from plp.towers.parts import listed
from plp.towers.points import TowerPoints
from plp.towers.text import TextTower
from plp.towers.tokens import Tokens
from plp.towers.tower import NamedTower
from plp.upload import upload

_LAYERS = ("encoder.layer", "encoder.layers", "layers", "block")  # where encoders keep blocks


class EncoderModules(NamedTower):
    """Names of what is in an encoder that the transformers library runs by itself.

    Updates of matrices and weights from outside act in its modules; there is nothing between and
    beside its blocks that could be reached.

    Args:
        tower: open_clip's tower.
    """

    roots = ("tower",)

    def __init__(self, tower: HFTextEncoder) -> None:
        self.tower: Any = tower

    def layers(self) -> Sequence[nn.Module]:
        """Return the library's module of each block."""
        modules = dict(self.tower.transformer.named_modules())
        found = next((modules[path] for path in _LAYERS if path in modules), nn.ModuleList())
        return list(found.children())

    def _check(self, points: TowerPoints) -> None:
        if points.extra or points.replaced or points.residuals:
            kind = type(self.tower.transformer).__name__
            raise ConfigError(
                f"tokens between blocks and residuals beside them: the transformers library runs "
                f"its {kind} as a whole. Here updates of matrices and weights of norms can act "
                f"(matrices: {listed(self.matrices())})."
            )


class EncoderText(TextTower):
    """Reads open_clip's `HFTextEncoder`: an encoder with a mask of the padding, then a pooling.

    Texts of one length go together: no padding is computed, no mask is needed, and a text's
    feature does not depend on the lengths of its neighbours.

    Args:
        tower: The tower.
        tokens: Its tokenizer.
        context_length: Most tokens of a text.
    """

    def __init__(self, tower: HFTextEncoder, tokens: Tokens, context_length: int) -> None:
        self.modules = EncoderModules(tower)
        self._table: Any = tower.transformer.get_input_embeddings()
        vocabulary, width = map(int, self._table.weight.shape)
        super().__init__(tokens, context_length, width, vocabulary)
        self._half = HalfCopy()

    def embed(self, ids: Int[Tensor, " S"]) -> Float[Tensor, "S D"]:
        """Look token embeddings up, scaled where the encoder scales them."""
        return self._table(ids).detach()

    @property
    def description(self) -> EncoderModules:
        """The tower as points name its parts."""
        return self.modules

    def encode(
        self,
        embeddings: Float[Tensor, "C N L D"],
        end: Int[Tensor, "C N"],
        shared: int = 0,
        points: TowerPoints | None = None,
    ) -> Float[Tensor, "C N E"]:
        """Encode texts; a shared beginning is computed for each, for all tokens see all others."""
        x, ends = embeddings.flatten(0, 1), end.flatten()
        network: Any = self._half.of(self.modules.at(points).tower, x.device)
        order: list[Tensor] = []
        pooled: list[Tensor] = []
        for last in ends.unique().tolist():
            index = (ends == last).nonzero().squeeze(1)
            part = x[:, : last + 1].index_select(0, upload(index, x.device))
            seen = torch.ones(part.shape[:2], dtype=torch.long, device=x.device)
            states = network.transformer(inputs_embeds=part, attention_mask=seen)
            pooled.append(network.proj(network.pooler(states, seen)))
            order.append(index)
        back = upload(torch.cat(order).argsort(), x.device)
        return torch.cat(pooled).index_select(0, back).unflatten(0, end.shape)
