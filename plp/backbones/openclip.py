"""Any model of open_clip as a frozen backbone: CLIP, OpenCLIP, MetaCLIP, DFN, EVA, ..."""

import os
from collections.abc import Mapping
from functools import partial
from typing import Any

import torch

from plp.backbones._openclip_build import build_model, set_input_size
from plp.backbones._openclip_check import read_fitting
from plp.backbones._openclip_fit import load_weights
from plp.backbones._openclip_hub import require_hub_tokenizer
from plp.backbones._openclip_spec import may_have_bias, preprocessing_of, resolve
from plp.backbones._quick_gelu import decide_activation
from plp.backbones.tower_backbone import TowerBackbone, exponentiated
from plp.errors import ConfigError
from plp.registry import BACKBONES
from plp.seeds import check_seed
from plp.towers.select import read_text, read_tower
from plp.transforms.size import SizeLike, plain_size, read_size
from plp.zoo.names import label_of


@BACKBONES.register_module()
class OpenCLIPBackbone(TowerBackbone):
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
        image_size: Side of the input, or its height and width, if another than the arch's own: the
            position embedding of a vision transformer is interpolated, as open_clip does.
        seed: Of the random weights. The global random state is not touched.
        cache_dir: Where downloads are stored and looked for; None for the usual caches.
        compile_vision: Backend of `torch.compile` for the vision tower, such as 'inductor'; None
            leaves the tower as it is. The first batch, and the first of another size, then takes
            minutes; features differ by rounding. docs/performance.md says what was gained. Passes
            that points act in (`encode_image(..., points=)`) are not compiled.

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
        image_size: SizeLike | None = None,
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
        stated = {"arch": arch, "pretrained": pretrained, "model_config": model_config}
        self._named = label_of({"type": "OpenCLIPBackbone", **stated})
        cache_dir = None if cache_dir is None else os.fspath(cache_dir)
        spec = resolve(arch, pretrained, quick_gelu, model_config, cache_dir)
        checkpoint = None
        if spec.weights is not None:
            checkpoint = read_fitting(
                spec.weights, arch, spec.config, spec.source, image_size, cache_dir
            )
        known = (checkpoint and checkpoint.activation) or spec.activation
        built = bool(spec.config.get("quick_gelu", False))
        self.quick_gelu = decide_activation(quick_gelu, known, spec.source, default=built)
        self.source = spec.source
        self.weights_file = spec.weights
        self.random_weights = spec.weights is None
        self.model: Any = build_model(spec.config, self.quick_gelu, image_size, seed, cache_dir)
        if checkpoint is not None:
            load_weights(self.model, checkpoint.state, spec.source, resize=image_size is not None)
        if image_size is not None:
            set_input_size(self.model, image_size)
        text = read_text(
            self.model, spec.config["text_cfg"], cache_dir,
            partial(require_hub_tokenizer, cache_dir=cache_dir),
        )  # fmt: skip
        self._set_towers(read_tower(self.model.visual, alias_first_block), text)
        if compile_vision is not None:
            self.compile_vision = compile_vision
            self._encode = torch.compile(self._encode, backend=compile_vision)
        size = read_size(f"the image size of {arch}", self.model.visual.image_size)
        self._set_geometry(
            preprocessing_of(spec.preprocess, size),
            embed_dim=int(spec.config["embed_dim"]),
            logit_scale=exponentiated(self.model.logit_scale),
            logit_bias=getattr(self.model, "logit_bias", None),
        )
        self.freeze()

    @classmethod
    def may_have_bias(cls, config: Mapping[str, Any]) -> bool:
        """Return whether open_clip's config of the model has a bias, where it is at hand."""
        return may_have_bias(config.get("arch", "ViT-B-16"), config.get("model_config"))

    @property
    def label(self) -> str:
        """Short name, else arch and weights."""
        return self._named

    @property
    def _image_options(self) -> tuple[Any, ...]:
        return self.alias_first_block, self.quick_gelu, plain_size(self.image_size)

    def extra_repr(self) -> str:
        """Name the weights and what was decided about them."""
        return (
            f"arch={self.arch!r}, weights={self.source!r}, quick_gelu={self.quick_gelu}, "
            f"alias_first_block={self.alias_first_block}, image_size={plain_size(self.image_size)}"
        )


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
