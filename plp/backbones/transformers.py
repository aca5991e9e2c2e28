"""Image-text models of the transformers library, as they lie on the Hugging Face hub."""

import os
from typing import Any

from plp.backbones._hf_folder import WEIGHTS
from plp.backbones._hf_hub import commit_of, find_model
from plp.backbones._hf_model import (
    build_model,
    check_end,
    context_length,
    embed_dim,
    logits_of,
    open_config,
    open_image_processor,
    read_text,
    read_vision,
    tower_size,
)
from plp.backbones._hf_preprocess import preprocessing_of
from plp.backbones._hf_tokens import open_tokens
from plp.backbones.tower_backbone import TowerBackbone
from plp.errors import ConfigError
from plp.registry import BACKBONES
from plp.zoo.names import label_of

PREFIX = "transformers:"
# Entries of a vision config that change features and show in no tensor's shape.
_CHANGING = (
    "hidden_act", "num_attention_heads", "layer_norm_eps", "batch_norm_eps", "pooling_type",
    "depthwise_padding",
)  # fmt: skip


@BACKBONES.register_module()
class TransformersBackbone(TowerBackbone):
    """A model that `save_pretrained` of the transformers library wrote, in float32.

    CLIP, SigLIP, SigLIP 2 (also NaFlex, at one square size), AltCLIP, ChineseCLIP, MetaCLIP 2:
    dense streams 'vv', 'value' and 'tokens'. ALIGN: 'tokens', its last feature map. Features are
    those of `get_image_features` and `get_text_features`; preprocessing and tokenizer are the
    model's own. docs/backbones_hub.md says what that means for each.

    Weights are read from safetensors only, and no code of a repository is ever run.

    Args:
        name_or_folder: A folder, or 'org/name' on the hub, with or without the 'transformers:' of
            `--backbone` in front; what the local cache holds is enough.
        revision: Branch, tag or commit of the repository; None for its main branch.
        alias_first_block: As in `OpenCLIPBackbone`.
        cache_dir: Where the hub's files are stored and looked for; None for the usual cache.

    Attributes:
        commit: The commit of the repository; None of a folder.
        weights_file: The weights, where they are one file.

    Raises:
        ConfigError: for a model that plp does not read, or that asks for code of its own.
        WeightsError: for files that are missing, damaged, pickled or out of reach.

    Example:
        >>> backbone = TransformersBackbone('openai/clip-vit-base-patch16')  # doctest: +SKIP
        >>> backbone.streams  # doctest: +SKIP
        ('vv', 'value', 'tokens')
    """

    def __init__(
        self,
        name_or_folder: str | os.PathLike[str],
        revision: str | None = None,
        alias_first_block: bool = True,
        cache_dir: str | os.PathLike[str] | None = None,
    ) -> None:
        super().__init__()
        self.name_or_folder = _name(name_or_folder)
        self.alias_first_block = alias_first_block
        cache = None if cache_dir is None else os.fspath(cache_dir)
        folder = find_model(self.name_or_folder, revision, cache)
        self.commit = commit_of(folder.path)
        weights = folder.path / WEIGHTS
        self.weights_file = weights if weights.is_file() else None
        config = open_config(folder)
        preprocessing = preprocessing_of(
            open_image_processor(folder), tower_size(config), folder.name
        )
        tokens = open_tokens(folder)
        check_end(config, tokens.frame.end, folder.name)
        self.model = build_model(folder)
        length = context_length(config, tokens.longest)
        self._set_towers(
            read_vision(self.model, alias_first_block), read_text(self.model, tokens, length)
        )
        self.multilingual |= folder.model_type == "chinese_clip"
        self.embed_dim = embed_dim(config)
        self.set_preprocessing(preprocessing)
        self.set_logits(*logits_of(self.model))
        self.freeze()

    @property
    def label(self) -> str:
        """'transformers:' and repository or folder."""
        return label_of({"type": "TransformersBackbone", "name_or_folder": self.name_or_folder})

    @property
    def _image_options(self) -> tuple[Any, ...]:
        """By name, so that what another version of the library adds to configs changes nothing."""
        config = self.model.config
        said = [getattr(config.vision_config, key, None) for key in _CHANGING]
        seen = self.preprocessing
        return config.model_type, *said, self.alias_first_block, seen.size, seen.mean, seen.std

    def extra_repr(self) -> str:
        """Name the weights."""
        commit = f", commit={self.commit!r}" if self.commit else ""
        return (
            f"name_or_folder={self.name_or_folder!r}{commit}, "
            f"model_type={self.model.config.model_type!r}, "
            f"alias_first_block={self.alias_first_block}, image_size={self.image_size}"
        )


def _name(given: str | os.PathLike[str]) -> str:
    name = os.fspath(given).removeprefix(PREFIX)
    if not name:
        raise ConfigError(f"expected name_or_folder to be a folder or 'org/name', got {given!r}")
    return name
