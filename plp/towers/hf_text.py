"""Text towers of the transformers library's image-text models."""

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from plp.towers.block import Block
from plp.towers.half_copy import HalfCopy
from plp.towers.hf_block import HFBlock
from plp.towers.text_blocks import TextBlocks
from plp.towers.text_encoder import TextEncoder


class HFText(TextBlocks):
    """Reader of CLIP's, MetaCLIP 2's and SigLIP's text models.

    Args:
        text: The text model.
        projection: What follows its last norm; None where the model has a head of its own.
    """

    roots = ("parts",)

    def __init__(self, text: Any, projection: nn.Module | None) -> None:
        parts = {"text_model": text}
        if projection is not None:
            parts["text_projection"] = projection
        self.parts: Any = nn.ModuleDict(parts)
        self._table: nn.Embedding = text.embeddings.token_embedding
        self.vocabulary, self.width = self._table.num_embeddings, self._table.embedding_dim
        self._half = HalfCopy()

    def embed(self, ids: Int[Tensor, " S"]) -> Float[Tensor, "S D"]:
        """Look token embeddings up."""
        return self._table(ids).detach()

    def positions(self, length: int) -> Float[Tensor, "L D"]:
        """Return the first positional embeddings."""
        return self.parts.text_model.embeddings.position_embedding.weight[:length]

    def blocks(self, device: torch.device) -> Sequence[Block]:
        """Return a reader of each layer."""
        encoder: Any = self._half.of(self.parts.text_model.encoder, device)
        return [HFBlock(layer) for layer in encoder.layers]

    def finish(self, tokens: Float[Tensor, "M D"]) -> Float[Tensor, "M E"]:
        """Apply the last norm and the projection."""
        text = self.parts.text_model
        own = "text_projection" not in self.parts
        projection = text.head if own else self.parts.text_projection
        return projection(text.final_layer_norm(tokens))


class HFEncoder(TextEncoder):
    """Reader of the BERT-like text models of ALIGN, AltCLIP and ChineseCLIP: the first token.

    Args:
        text: The text model.
        projection: The joint projection.
    """

    def __init__(self, text: Any, projection: nn.Module) -> None:
        parts = {"text_model": text, "text_projection": projection}
        self.module: Any = nn.ModuleDict(parts)
        self.table = text.get_input_embeddings()

    @property
    def network(self) -> nn.Module:
        """The text model."""
        return self.module.text_model

    def features(
        self, module: Any, embeddings: Float[Tensor, "M L D"], seen: Int[Tensor, "M L"]
    ) -> Float[Tensor, "M E"]:
        """Read the first token; AltCLIP's is behind a norm and a mapping already."""
        found = module.text_model(inputs_embeds=embeddings, attention_mask=seen)
        return module.text_projection(found.last_hidden_state[:, 0])
