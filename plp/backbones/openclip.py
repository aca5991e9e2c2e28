"""Any model of open_clip as a frozen backbone: CLIP, OpenCLIP, MetaCLIP, DFN, EVA, ..."""

import hashlib
import os
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from plp.backbones._openclip_build import build_model
from plp.backbones._openclip_hub import require_hub_tokenizer
from plp.backbones._openclip_spec import resolve
from plp.backbones._openclip_weights import load_weights, read_checkpoint
from plp.backbones._quick_gelu import decide_activation
from plp.backbones.base import Backbone
from plp.check_cost import checking
from plp.errors import ConfigError
from plp.prompts.names_in_text import NamesInText
from plp.registry import BACKBONES
from plp.seeds import check_seed
from plp.structures import ImageFeatures, NameTokens, PromptTokens
from plp.towers.select import read_text, read_tower
from plp.towers.weights_state import weights_mark

# Vocabularies of one language have 30 to 50 thousand tokens, those of many 250 thousand and more.
_MANY_SCRIPTS = 100_000


@BACKBONES.register_module()
class OpenCLIPBackbone(Backbone):
    """A model of open_clip, in float32, with dense streams where its vision tower has them.

    Dense streams: 'vv' (SOT-GLP), 'value' (GalLoP, LoCoOp), 'tokens' (the last block's patches) of
    vision transformers, open_clip's own and timm's, however they pool (`TransformerStreams`);
    'value' and 'tokens' of the ResNets; 'tokens' of other convolutional and of hybrid towers.

    Args:
        arch: A name of `open_clip.list_models()`; 'hf-hub:org/name' or 'local-dir:folder', which
            bring their own weights; or any name for `model_config`.
        pretrained: A tag of `open_clip.list_pretrained()` such as 'openai'; 'hf-hub:org/name'; a
            local file in OpenAI's layout (TorchScript archive or state dict) or in open_clip's
            (checkpoint or .safetensors); None for random weights, or for the weights that a
            'hf-hub:' or 'local-dir:' arch brings. A name that is a tag is never taken for a file.
        alias_first_block: Whether the 'vv' stream starts with the first block's ordinary attention
            output added, as the published SOT-GLP code has it by accident; False is the paper.
        quick_gelu: The activation. None follows what is known of the weights: the tag's entry, the
            open_clip_config.json beside them, the code in OpenAI's archives. A value that
            contradicts what is known is refused; where nothing is known, a value is needed.
        model_config: An open_clip model config (embed_dim, vision_cfg, text_cfg, ...) in place of
            a registered arch.
        image_size: Side of the input, if another than the arch's own: the position embedding of a
            vision transformer is interpolated, as open_clip does.
        seed: Of the random weights. The global random state is not touched.
        cache_dir: Where downloads are stored and looked for; None for the usual caches.
        compile_vision: Backend of `torch.compile` for the vision tower, such as 'inductor'; None
            leaves the tower as it is. The first batch, and the first of another size, then takes
            minutes; features differ by rounding. docs/performance.md says what was gained.

    Raises:
        ConfigError: for an arch, a model config, a `quick_gelu` or a `compile_vision` that does not
            fit.
        WeightsError: for weights that are missing, damaged, of another arch, or out of reach.

    Example:
        >>> import torch
        >>> tower = dict(width=64, layers=2)
        >>> backbone = OpenCLIPBackbone('tiny', None, model_config=dict(
        ...     embed_dim=32,
        ...     vision_cfg=dict(**tower, image_size=32, patch_size=16),
        ...     text_cfg=dict(**tower, heads=1),
        ... ))
        >>> features = backbone.encode_image(torch.zeros(1, 3, 32, 32), streams=['vv'])
        >>> features.pooled.shape, features.dense['vv'].shape, features.grid
        (torch.Size([1, 32]), torch.Size([1, 4, 64]), (2, 2))
    """

    def __init__(
        self,
        arch: str = "ViT-B-16",
        pretrained: str | os.PathLike[str] | None = "openai",
        alias_first_block: bool = True,
        quick_gelu: bool | None = None,
        model_config: Mapping[str, Any] | None = None,
        image_size: int | None = None,
        seed: int = 0,
        cache_dir: str | os.PathLike[str] | None = None,
        compile_vision: str | None = None,
    ) -> None:
        super().__init__()
        _check_compiler(compile_vision)
        check_seed(seed, "the backbone's seed")
        self.arch = arch
        self.alias_first_block = alias_first_block
        pretrained = None if pretrained is None else os.fspath(pretrained)
        cache_dir = None if cache_dir is None else os.fspath(cache_dir)
        spec = resolve(arch, pretrained, quick_gelu, model_config, cache_dir)
        checkpoint = None if spec.weights is None else read_checkpoint(spec.weights)
        known = (checkpoint and checkpoint.activation) or spec.activation
        built = bool(spec.config.get("quick_gelu", False))
        self.quick_gelu = decide_activation(quick_gelu, known, spec.source, default=built)
        self.source = spec.source
        self.weights_file = spec.weights
        self.model: Any = build_model(spec.config, self.quick_gelu, image_size, seed, cache_dir)
        if checkpoint is not None:
            load_weights(self.model, checkpoint.state, spec.source, resize=image_size is not None)
        self._set_geometry(spec.config, spec.preprocess)
        self._vision = read_tower(self.model.visual, alias_first_block)
        self._encode = type(self._vision).encode
        if compile_vision is not None:
            self._encode = torch.compile(self._encode, backend=compile_vision)
        self._text = read_text(
            self.model, spec.config["text_cfg"], cache_dir,
            partial(require_hub_tokenizer, cache_dir=cache_dir),
        )  # fmt: skip
        self.streams, self.dense_dim = self._vision.streams, self._vision.dense_dim
        self.token_dim, self.context_length = self._text.width, self._text.context_length
        self.multilingual = self._text.vocabulary >= _MANY_SCRIPTS
        self._fingerprint = ("", "")  # mark of the weights it is of, digest
        self.freeze()

    @property
    def fingerprint(self) -> str:
        """SHA-256 over all weights and over what else changes image features."""
        mark = weights_mark(self.model)
        if self._fingerprint[0] != mark:
            options = (self.alias_first_block, self.quick_gelu, self.image_size)
            with checking():
                self._fingerprint = mark, _digest(repr(options), self.model.state_dict())
        return self._fingerprint[1]

    def encode_image(
        self, images: Float[Tensor, "B 3 H X"], streams: Sequence[str] = ()
    ) -> ImageFeatures:
        """Encode normalised images in one pass of the vision tower, without a graph.

        Raises:
            ConfigError: for images of another size, or a stream this tower does not have.
        """
        self._vision.check(streams, f"{type(self).__name__} {self.arch!r}")
        if images.shape[-2:] != (self.image_size, self.image_size):
            raise ConfigError(
                f"expected images of {self.image_size} x {self.image_size}, got "
                f"{images.shape[-2]} x {images.shape[-1]}. Resize them, or build the backbone with "
                "image_size."
            )
        with torch.no_grad():
            return self._encode(self._vision, images, streams)

    def project_dense(self, dense: Float[Tensor, "B P W"]) -> Float[Tensor, "B P E"]:
        """Map dense features into the joint space by the projection of the pooled feature."""
        return self._vision.project(dense)

    def embed_words(self, texts: Sequence[str]) -> NameTokens:
        """Tokenise bare texts and look their token embeddings up (no start, end, position).

        Raises:
            ConfigError: naming a text that is too long.
            WeightsError: if the tokenizer's files are out of reach.
        """
        if isinstance(texts, str):
            raise ConfigError(
                f"embed_words: expected a sequence of texts, got the string {texts!r}"
            )
        ids = [self._ids(text) for text in texts]
        frame = self._text.tokens.frame
        start, end = (self._embed(ids) for ids in (frame.start, frame.end))
        if len(start) == 1 and len(end) == 1:  # as in most vocabularies
            start, end = start[0], end[0]
        embeddings = start.new_zeros(len(ids), max(map(len, ids), default=0), self.token_dim)
        for row, text in zip(embeddings, ids, strict=True):
            row[: len(text)] = self._embed(text)
        lengths = torch.tensor([len(text) for text in ids], dtype=torch.long)
        return NameTokens(embeddings, lengths, start, end, NamesInText(texts, self.embed_words))

    def encode_text(self, prompts: PromptTokens) -> Float[Tensor, "C N E"]:
        """Encode prompts: of a causal tower each up to its end token, a shared beginning once.

        Raises:
            ConfigError: if a prompt is longer than `context_length`.
        """
        end = prompts.end.cpu()  # where prompts of plp have it
        longest = int(end.max()) + 1
        if longest > self.context_length:
            c, n = (end == end.max()).nonzero()[0].tolist()
            raise ConfigError(
                f"prompt {n} of class {c} has {longest} tokens with start and end; "
                f"the text tower takes at most {self.context_length}. Use fewer context tokens or "
                "a shorter class name."
            )
        cut = prompts.embeddings[:, :, :longest]
        return self._text.encode(cut, end, prompts.shared)

    def extra_repr(self) -> str:
        """Name the weights and what was decided about them."""
        return (
            f"arch={self.arch!r}, weights={self.source!r}, quick_gelu={self.quick_gelu}, "
            f"alias_first_block={self.alias_first_block}, image_size={self.image_size}"
        )

    def _ids(self, text: str) -> list[int]:
        """Return the token ids of a bare text; raise if it does not fit."""
        ids, frame = self._text.tokens.ids(text), self._text.tokens.frame
        limit = self.context_length - len(frame.start) - len(frame.end)
        if len(ids) > limit:
            raise ConfigError(
                f"the text {text!r} has {len(ids)} tokens; expected at most {limit} "
                f"({self.context_length} with start and end token). Shorten it."
            )
        return ids

    def _embed(self, ids: Sequence[int]) -> Float[Tensor, "S D"]:
        return self._text.embed(torch.tensor(ids, dtype=torch.long, device=self.device))

    def _set_geometry(self, config: Mapping[str, Any], preprocess: Mapping[str, Any]) -> None:
        sides = self.model.visual.image_size
        height, width = sides if isinstance(sides, list | tuple) else (sides, sides)
        if height != width:
            raise ConfigError(f"{self.arch} takes images of {height} x {width}; expected a square")
        self.image_size = int(height)
        self.embed_dim = int(config["embed_dim"])
        self.interpolation = preprocess["interpolation"]
        scale = self.model.logit_scale.detach().exp().reshape(())
        self.register_buffer("mean", torch.tensor(preprocess["mean"]), persistent=False)
        self.register_buffer("std", torch.tensor(preprocess["std"]), persistent=False)
        self.register_buffer("logit_scale", scale, persistent=False)


def _digest(options: str, state: Mapping[str, Any]) -> str:
    digest = hashlib.sha256(options.encode())
    for name, tensor in sorted(state.items()):
        digest.update(f"{name} {tensor.dtype} {list(tensor.shape)}".encode())
        digest.update(tensor.cpu().contiguous().reshape(-1).view(torch.uint8).numpy())
    return digest.hexdigest()


def _check_compiler(backend: str | None) -> None:
    """Refuse what `torch.compile` would refuse at the first batch, with a page of traceback."""
    if backend is None:  # the list takes seconds of imports
        return
    known = torch.compiler.list_backends(exclude_tags=())
    if backend not in known:
        raise ConfigError(
            f"expected compile_vision to be None or a backend of torch.compile ({', '.join(known)})"
            f", got {backend!r}"
        )
