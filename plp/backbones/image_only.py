"""Image towers without texts: DINOv2, DINOv3, and any other model of timm."""

import math
import os
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

import torch
from timm.data import resolve_model_data_config
from torch import nn

from plp.backbones._timm_build import build_timm
from plp.backbones._timm_source import PUBLISHED, find_source
from plp.backbones.tower_backbone import TowerBackbone
from plp.errors import ConfigError
from plp.registry import BACKBONES
from plp.seeds import check_seed
from plp.structures import NameTokens, PromptTokens
from plp.towers.class_and_mean import ClassAndMean
from plp.towers.points import TowerPoints
from plp.towers.pooled import PooledOnly
from plp.towers.select import read_timm
from plp.towers.streams import TransformerStreams
from plp.towers.timm_map import FeatureMap
from plp.towers.vision import VisionTower
from plp.transforms.preprocessing import Preprocessing
from plp.transforms.size import Size, SizeLike, plain_size, read_size, spell_size
from plp.zoo.names import label_of

TOKEN_AVG = "token_avg"
POOLS = ("token", "avg", "max", "avgmax", TOKEN_AVG)
_RESIZE_MODES = {"center": "shortest", "squash": "squash", "border": "longest"}


@BACKBONES.register_module()
class ImageOnlyBackbone(TowerBackbone):
    """A timm model as a frozen image tower, in float32. There is no text tower.

    For what needs no texts: the linear probe, a cache of the shots. Everything else says that it
    needs a text tower before anything is built.

    Dense streams: 'tokens', 'value', 'vv' (the paper's start) of vision transformers; 'tokens' of
    convolutional and hybrid towers, the last map. The pooled feature is timm's
    `forward_head(forward_features(x), pre_logits=True)`: for DINOv2 the class token, for DINOv3 the
    mean of the patches, both behind the last norm; see `pool`.

    Args:
        arch: 'timm:NAME' or 'timm:NAME.TAG' of `timm.list_models(pretrained=True)`, such as
            'timm:vit_small_patch14_dinov2.lvd142m'; 'hf-hub:org/name'; or a folder with the
            config.json and model.safetensors that timm's `save_for_hf` and `push_to_hf_hub` write.
        pretrained: 'published' takes the weights of that name, repository or folder; a file of
            safetensors, or the folder it is in, others; None random ones.
        pool: 'token' (class token), 'avg', 'max' or 'avgmax' (of the patches or places), as timm's
            `global_pool`; 'token_avg' sets class token and mean side by side, as DINOv2's linear
            classifiers have it (E = 2 W). None: as timm does for this model.
        image_size: Side of the input, or its height and width, if another than the weights' own:
            position embeddings are resampled by timm. DINOv2's own is 518, DINOv3's 256.
        model_args: Further keywords of the timm model, such as `dict(depth=2)`.
        seed: Of random weights. The global random state is not touched.
        cache_dir: Where downloads are stored and looked for; None for the hub's usual cache.

    Raises:
        ConfigError: for a name timm does not know, a folder that is not timm's, or a size, pooling
            or keyword that the model does not take.
        WeightsError: for weights that are missing, pickled, damaged, of another model, or out of
            reach.

    Example:
        >>> import torch
        >>> backbone = ImageOnlyBackbone('timm:test_vit', None, image_size=64)
        >>> features = backbone.encode_image(torch.zeros(1, 3, 64, 64), streams=['tokens'])
        >>> features.pooled.shape, features.dense['tokens'].shape, backbone.has_text
        (torch.Size([1, 64]), torch.Size([1, 16, 64]), False)
    """

    has_text = False
    token_dim = 0
    context_length = 0

    def __init__(
        self,
        arch: str = "timm:vit_small_patch14_dinov2.lvd142m",
        pretrained: str | os.PathLike[str] | None = PUBLISHED,
        pool: str | None = None,
        image_size: SizeLike | None = None,
        model_args: Mapping[str, Any] | None = None,
        seed: int = 0,
        cache_dir: str | os.PathLike[str] | None = None,
    ) -> None:
        super().__init__()
        check_seed(seed, "the backbone's seed")
        if pool is not None and pool not in POOLS:
            known = ", ".join(POOLS)
            raise ConfigError(f"expected pool to be None or one of {known}, got {pool!r}")
        asked = None if image_size is None else read_size("image_size", image_size)
        weights = None if pretrained is None else os.fspath(pretrained)
        cache_dir = None if cache_dir is None else os.fspath(cache_dir)
        source = find_source(os.fspath(arch), weights, cache_dir)
        self.arch, self.pool = os.fspath(arch), pool
        stated = {"arch": self.arch, "pretrained": weights}
        self._named = label_of({"type": "ImageOnlyBackbone", **stated})
        self.weights_file = source.weights
        self.random_weights = source.weights is None
        self.source = str(source.weights or f"random weights of {source.label}")
        own = "token" if pool == TOKEN_AVG else pool
        self.model: Any = build_timm(source, asked, own, model_args or {}, seed)
        preprocessing = _preprocessing(self.model, asked, source.label)
        vision = self._read(preprocessing.size)
        self._vision, self._encode = vision, type(vision).encode
        self.streams, self.dense_dim = vision.streams, vision.dense_dim
        self._set_geometry(preprocessing, self._width(vision, preprocessing.size), torch.ones(()))
        self.freeze()

    @property
    def label(self) -> str:
        """Short name, else 'timm:' and name, repository or folder."""
        return self._named

    @property
    def _image_options(self) -> tuple[Any, ...]:
        return self.pool, plain_size(self.image_size)

    def embed_words(self, texts: Sequence[str]) -> NameTokens:
        """Refuse: there is no text tower."""
        self._refuse_texts()

    def encode_text(self, prompts: PromptTokens, points: TowerPoints | None = None) -> NoReturn:
        """Refuse: there is no text tower."""
        self._refuse_texts()

    @property
    def text_tower(self) -> NoReturn:
        """Refuse: there is none."""
        self._refuse_texts()

    def extra_repr(self) -> str:
        """Name the weights and what was decided about them."""
        return (
            f"arch={self.arch!r}, weights={self.source!r}, pool={self.pool!r}, "
            f"image_size={plain_size(self.image_size)}"
        )

    def _refuse_texts(self) -> NoReturn:
        raise ConfigError(
            f"{self.label} has no text tower, so that it reads no class names and no prompts. Use "
            "a backbone with texts (`plp list --backbones`)"
        )

    def _read(self, size: Size) -> VisionTower:
        """Return the reader that fits; one that hands on no map has its pooled feature only."""
        tower = read_timm(self.model, None, alias_first_block=False)
        if self.pool == TOKEN_AVG:
            if not isinstance(tower, TransformerStreams):
                raise ConfigError(
                    f"pool={TOKEN_AVG!r} is of class token and patches of a plain vision "
                    f"transformer, and {self.label} is none. Leave pool out"
                )
            return ClassAndMean(tower)
        if isinstance(tower, FeatureMap):
            with torch.no_grad():
                last = self.model.forward_features(torch.zeros(1, 3, *size))
            if not isinstance(last, torch.Tensor) or last.ndim != 4:
                kind = type(self.model).__name__
                return PooledOnly(
                    self.model, f"timm's {kind} hands on no map of places, and no q, k, v are read"
                )
        return tower

    def _width(self, vision: VisionTower, size: Size) -> int:
        """Return E: of a plain transformer it is known, others are asked."""
        if isinstance(vision, TransformerStreams | ClassAndMean):
            return int(self.model.num_features) * (2 if isinstance(vision, ClassAndMean) else 1)
        with torch.no_grad():
            pooled = vision.encode(torch.zeros(1, 3, *size), ()).pooled
        if pooled.ndim != 2:
            raise ConfigError(
                f"{self.label} has no pooled feature: timm's {type(self.model).__name__} gives "
                f"{list(pooled.shape)} for an image, expected a row. Take another model"
            )
        return int(pooled.shape[1])


def _preprocessing(model: nn.Module, asked: Size | None, label: str) -> Preprocessing:
    """Return timm's test preprocessing of a model in plp's terms."""
    stated = resolve_model_data_config(model)
    channels, *own = stated["input_size"]
    if channels != 3:
        raise ConfigError(f"{label} takes images of {channels} channels; expected 3")
    patch_embed = getattr(model, "patch_embed", None)
    size = read_size("image_size", asked or getattr(patch_embed, "img_size", None) or own)
    patch = getattr(patch_embed, "patch_size", None)
    if asked is not None and patch is not None:
        _check_patches(size, read_size("patch_size", patch), label)
    mode = stated.get("crop_mode") or "center"
    if mode not in _RESIZE_MODES:
        known = ", ".join(_RESIZE_MODES)
        raise ConfigError(f"{label}: expected a crop_mode among {known}, got {mode!r}")
    height, width = (math.floor(side / (stated.get("crop_pct") or 0.875)) for side in size)
    mean = tuple(map(float, stated["mean"]))
    return Preprocessing(
        size=size,
        mean=mean,  # type: ignore[arg-type]
        std=tuple(map(float, stated["std"])),  # type: ignore[arg-type]
        resize_mode=_RESIZE_MODES[mode],  # type: ignore[arg-type]
        interpolation=stated["interpolation"],
        fill_color=tuple(round(255 * value) for value in mean),  # type: ignore[arg-type]
        resize=(height, width),
    )


def _check_patches(size: Size, patch: Size, label: str) -> None:
    if any(side % step for side, step in zip(size, patch, strict=True)):
        near = tuple(max(round(s / p), 1) * p for s, p in zip(size, patch, strict=True))
        raise ConfigError(
            f"{label} cuts images into patches of {spell_size(patch)} pixels: expected an "
            f"image_size that is a multiple of it, such as {spell_size(near)}, got "
            f"{spell_size(size)}"
        )
