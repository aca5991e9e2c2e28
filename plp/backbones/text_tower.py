"""open_clip's text transformer, fed with token embeddings and cut at the longest end token."""

import json
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from jaxtyping import Float, Int
from open_clip.tokenizer import SimpleTokenizer
from open_clip.transformer import ResidualAttentionBlock, TextTransformer
from torch import Tensor, nn

from plp.backbones._packing import Packing, pack
from plp.errors import ConfigError
from plp.towers.attention import attend, project_packed
from plp.towers.half_copy import HalfCopy

VOCABULARY = 49408  # of CLIP's byte-pair encoding, start and end token included


class TextTower:
    """Reads the text tower of an open_clip model. Holds the module, owns no parameter.

    Only towers where cutting is exact are taken: causal attention (what follows the end token
    cannot reach it) and a text feature read at the end token.

    Args:
        model: `open_clip.CLIP` (the tower's parts are attributes of the model) or
            `open_clip.CustomTextCLIP` (they are attributes of `model.text`).
        text_config: The `text_cfg` of its open_clip config.
    """

    def __init__(self, model: nn.Module, text_config: Mapping[str, Any]) -> None:
        self.tower: Any = getattr(model, "text", model)
        self._half = HalfCopy()
        self.why_not = why_no_prompts(model, text_config)
        self.context_length = int(text_config.get("context_length", 77))
        self.width = int(text_config.get("width", 512))
        self._tokenizer_options = json.dumps(text_config.get("tokenizer_kwargs") or {})

    @property
    def tokenizer(self) -> SimpleTokenizer:
        """CLIP's byte-pair encoding.

        Raises:
            ConfigError: if this tower cannot be fed with prompts at all.
        """
        self.check()
        return _tokenizer(self._tokenizer_options)

    def check(self) -> None:
        """Refuse a text tower that prompts cannot go through.

        Raises:
            ConfigError: saying why.
        """
        if self.why_not is not None:
            raise ConfigError(
                f"the text tower of this model cannot take learned prompts: {self.why_not}. "
                "Image features are available; for prompts choose an arch with CLIP's own text "
                "tower (ViT-B-16, ViT-L-14, EVA02-B-16, RN50, ...)."
            )

    def tokens(self, text: str) -> list[int]:
        """Return the token ids of a bare text, without start and end token.

        Raises:
            ConfigError: naming the text, its length and the limit, if it does not fit.
        """
        ids = self.tokenizer.encode(text)
        limit = self.context_length - 2
        if len(ids) > limit:
            raise ConfigError(
                f"the text {text!r} has {len(ids)} tokens; expected at most {limit} "
                f"({self.context_length} with start and end token). Shorten it."
            )
        return ids

    def embed(self, ids: Int[Tensor, " S"]) -> Float[Tensor, "S D"]:
        """Look token embeddings up."""
        return self.tower.token_embedding(ids).detach()

    def encode(
        self, embeddings: Float[Tensor, "C N L D"], end: Int[Tensor, "C N"], shared: int = 0
    ) -> Float[Tensor, "C N E"]:
        """Encode texts that are already cut.

        Padding is not computed, nor a shared beginning more than once, nor in the last block
        anything but the end tokens that the texts are read at.

        Args:
            embeddings: Token embeddings, without positions.
            end: Position of each text's end token; on the CPU.
            shared: Tokens at the beginning of a prompt that all classes share.
        """
        tower, length = self.tower, embeddings.shape[2]
        texts = pack(end, length, shared).to(embeddings.device)
        positions = tower.positional_embedding[:length].to(embeddings.dtype)
        x = texts.collect((embeddings + positions).flatten(0, 1))  # [U, D]
        transformer: Any = self._half.of(tower.transformer, x.device)
        *blocks, last = transformer.resblocks
        for block in blocks:
            x = _block(block, x, texts)
        x = tower.ln_final(_last_block(last, x, texts))  # [M, D]
        projection = tower.text_projection
        if projection is not None:
            x = projection(x) if isinstance(projection, nn.Linear) else x @ projection
        return x.unflatten(0, end.shape)


def why_no_prompts(model: Any, text_config: Mapping[str, Any]) -> str | None:
    """Return why prompts cannot go through this text tower; None if they can."""
    tower: Any = getattr(model, "text", model)
    if text_config.get("hf_model_name"):
        return f"it is the Hugging Face model {text_config['hf_model_name']!r}"
    if tower is not model and not isinstance(tower, TextTransformer):
        return f"it is a {type(tower).__name__}"
    if getattr(tower, "cls_emb", None) is not None:
        return "it reads the text from a class token after the padding (embed_cls)"
    if getattr(tower, "attn_mask", None) is None:
        return "its attention is not causal (no_causal_mask), so that padding would count"
    pool = getattr(tower, "text_pool_type", None) or getattr(tower, "pool_type", "argmax")
    if pool not in ("argmax", "eos"):
        return f"it reads the text at the {pool!r} position, not at the end token"
    if text_config.get("hf_tokenizer_name"):
        return (
            f"its tokenizer {text_config['hf_tokenizer_name']!r} is not CLIP's byte-pair encoding"
        )
    vocabulary = tower.token_embedding.num_embeddings
    if vocabulary < VOCABULARY:
        return f"it knows {vocabulary} tokens, and CLIP's byte-pair encoding has {VOCABULARY}"
    if {type(block) for block in tower.transformer.resblocks} != {ResidualAttentionBlock}:
        return "its blocks are not open_clip's plain residual attention blocks"
    return None


@lru_cache
def _tokenizer(options: str) -> SimpleTokenizer:
    return SimpleTokenizer(**json.loads(options))  # reads a vocabulary of 1.3 MB: once a process


def _block(
    block: ResidualAttentionBlock, x: Float[Tensor, "U D"], texts: Packing
) -> Float[Tensor, "U D"]:
    packed = project_packed(block.attn, block.ln_1(x), 0, 3)
    query, key, value = texts.spread(packed).chunk(3, dim=-1)
    mixed = texts.collect(attend(query, key, value, block.attn.num_heads, causal=True))
    return _finish(block, x, mixed)


def _last_block(
    block: ResidualAttentionBlock, x: Float[Tensor, "U D"], texts: Packing
) -> Float[Tensor, "M D"]:
    """Compute the end tokens alone; they attend to the whole of their texts."""
    normed = block.ln_1(x)
    query = project_packed(block.attn, normed.index_select(0, texts.ends), 0, 1)
    packed = project_packed(block.attn, normed, 1, 3)
    key, value = texts.spread(packed).chunk(2, dim=-1)
    seen = texts.real[:, None, None]  # [M, 1, 1, L]
    mixed = attend(query[:, None], key, value, block.attn.num_heads, mask=seen)[:, 0]
    return _finish(block, x.index_select(0, texts.ends), mixed)


def _finish(
    block: ResidualAttentionBlock, x: Float[Tensor, "U D"], mixed: Float[Tensor, "U D"]
) -> Float[Tensor, "U D"]:
    x = x + block.ls_1(block.attn.out_proj(mixed))
    return x + block.ls_2(block.mlp(block.ln_2(x)))
