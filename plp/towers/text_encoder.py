"""Encoders of the transformers library as text towers: BERT-like, T5, M2M100."""

from abc import abstractmethod
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

# Where encoders keep blocks.
_LAYERS = ("encoder.layer", "encoder.layers", "layers", "block", "roberta.encoder.layers")


class TextEncoder(NamedTower):
    """An encoder that the transformers library runs by itself, and what makes features of tokens.

    Updates of matrices and weights from outside act in its modules; there is nothing between and
    beside its blocks that could be reached.

    Attributes:
        module: All of it.
        table: Its token embeddings, scaled where it scales them.
    """

    roots = ("module",)
    module: Any
    table: Any

    @property
    @abstractmethod
    def network(self) -> nn.Module:
        """The encoder itself."""

    @abstractmethod
    def features(
        self, module: Any, embeddings: Float[Tensor, "M L D"], seen: Int[Tensor, "M L"]
    ) -> Float[Tensor, "M E"]:
        """Return text features.

        Args:
            module: `self.module`, in the precision wanted.
            embeddings: Token embeddings, without positions.
            seen: 1 for each token that is no padding.
        """

    def layers(self) -> Sequence[nn.Module]:
        """Return the library's module of each block."""
        modules = dict(self.network.named_modules())
        found = next((modules[path] for path in _LAYERS if path in modules), nn.ModuleList())
        return list(found.children())

    def _check(self, points: TowerPoints) -> None:
        if points.extra or points.replaced or points.residuals:
            kind = type(self.network).__name__
            raise ConfigError(
                f"tokens between blocks and residuals beside them: the transformers library runs "
                f"its {kind} as a whole. Here updates of matrices and weights of norms can act "
                f"(matrices: {listed(self.matrices())})."
            )
        if points.checkpoint_blocks:
            kind = type(self.network).__name__
            raise ConfigError(
                f"checkpoint_blocks: the transformers library runs its {kind} as a whole, no block "
                "of it can be computed again by itself. Leave it out, and set model.text_chunk to "
                "encode fewer classes at a time."
            )


class OpenCLIPEncoder(TextEncoder):
    """Reader of open_clip's `HFTextEncoder`: an encoder, a pooling, a projection.

    Args:
        tower: The tower.
    """

    def __init__(self, tower: HFTextEncoder) -> None:
        self.module: Any = tower
        self.table = self.module.transformer.get_input_embeddings()

    @property
    def network(self) -> nn.Module:
        """The encoder itself."""
        return self.module.transformer

    def features(
        self, module: Any, embeddings: Float[Tensor, "M L D"], seen: Int[Tensor, "M L"]
    ) -> Float[Tensor, "M E"]:
        """Encode, pool, project."""
        states = module.transformer(inputs_embeds=embeddings, attention_mask=seen)
        return module.proj(module.pooler(states, seen))


class EncoderText(TextTower):
    """Reads an encoder that sees no padding.

    Texts of one length go together: no padding is computed, no mask is needed, and a text's
    feature does not depend on the lengths of its neighbours.

    Args:
        encoder: The tower's description.
        tokens: Its tokenizer.
        context_length: Most tokens of a text.
    """

    def __init__(self, encoder: TextEncoder, tokens: Tokens, context_length: int) -> None:
        self.encoder = encoder
        vocabulary, width = map(int, encoder.table.weight.shape)
        super().__init__(tokens, context_length, width, vocabulary)
        self._half = HalfCopy()

    def embed(self, ids: Int[Tensor, " S"]) -> Float[Tensor, "S D"]:
        """Look token embeddings up, scaled where the encoder scales them."""
        return self.encoder.table(ids).detach()

    @property
    def description(self) -> TextEncoder:
        """The tower as points name its parts."""
        return self.encoder

    def encode(
        self,
        embeddings: Float[Tensor, "C N L D"],
        end: Int[Tensor, "C N"],
        shared: int = 0,
        points: TowerPoints | None = None,
    ) -> Float[Tensor, "C N E"]:
        """Encode texts; a shared beginning is computed for each, for all tokens see all others."""
        x, ends = embeddings.flatten(0, 1), end.flatten()
        module = self._half.of(self.encoder.at(points).module, x.device)
        order: list[Tensor] = []
        features: list[Tensor] = []
        for last in ends.unique().tolist():
            index = (ends == last).nonzero().squeeze(1)
            part = x[:, : last + 1].index_select(0, upload(index, x.device))
            seen = torch.ones(part.shape[:2], dtype=torch.long, device=x.device)
            features.append(self.encoder.features(module, part, seen))
            order.append(index)
        back = upload(torch.cat(order).argsort(), x.device)
        return torch.cat(features).index_select(0, back).unflatten(0, end.shape)
